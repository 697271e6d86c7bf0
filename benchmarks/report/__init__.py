"""One HTML page from saved rows: linked panels that need no server. Never simulates."""
