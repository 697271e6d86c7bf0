"""Figures from saved rows. Never simulates."""
