"""Check the numbers in texts: `python -m benchmarks.tools.claims [--write]`.

Numbers come from committed tables, which `docs/claims/tables.toml` names. Every other file there
lists claims of a text: its words with placeholders, and the cells from which each placeholder is
computed.
"""
