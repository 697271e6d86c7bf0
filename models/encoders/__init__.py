"""Image encoders: students, and the teachers that they learn from."""
