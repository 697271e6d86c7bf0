"""Architecture search: cells, operations, genotypes, staged networks, and supernets."""
