"""Benefits of features: other tasks on the codeword that was sent for classification."""
