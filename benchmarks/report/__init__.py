"""The HTML report of saved rows: one page of linked panels, without a server. Never simulates."""
