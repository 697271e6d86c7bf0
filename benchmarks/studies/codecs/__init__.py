"""What the parts of the channel codec are worth, attention first of all."""
