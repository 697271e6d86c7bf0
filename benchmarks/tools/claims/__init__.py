"""Numbers in texts come from committed tables: `python -m benchmarks.tools.claims [--write]`.

`docs/claims/tables.toml` names the tables. Every other file there lists claims of a text: its words
with placeholders, and the cells that each placeholder is computed from.
"""
