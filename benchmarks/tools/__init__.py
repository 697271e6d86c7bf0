"""Tools for the development of semlink."""
