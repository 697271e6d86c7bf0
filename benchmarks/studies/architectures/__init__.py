"""Does the architecture matter, and does a search find a good one? On a proxy of CIFAR-100."""
