"""Architectures that are searched: cells, their operations, genotypes, the supernet."""
