"""Schemes that are networks: how each is described, trained, loaded and sent."""
