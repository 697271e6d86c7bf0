"""Trained links as ONNX files: their parts as networks, the files, and their cost."""
