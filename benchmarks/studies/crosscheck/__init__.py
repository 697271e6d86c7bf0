"""Comparison with an independent implementation: Sionna 1.2 on TensorFlow."""
