"""The digital link: bits to symbols and back, by code and modulation."""
