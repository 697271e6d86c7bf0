"""Questions asked of the simulator: each says its question, command, time and files."""
