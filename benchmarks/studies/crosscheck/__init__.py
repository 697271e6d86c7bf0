"""Does an independent implementation give the same? Sionna 1.2 on TensorFlow."""
