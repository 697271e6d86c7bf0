"""The open benchmark: frozen tasks, entries of anyone's schemes, and the leaderboard."""
