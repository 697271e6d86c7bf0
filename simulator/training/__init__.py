"""Training: the training loop, a training run and its caches, teachers, student and its head."""
