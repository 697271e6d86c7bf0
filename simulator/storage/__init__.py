"""Files on disk: descriptions and their digests, tensors, tables, folders, and the environment."""
