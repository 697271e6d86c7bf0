"""Does a search find good networks? Accuracy versus parameters, with controls."""
