"""What features are for: other tasks on the codeword that was sent for classification."""
