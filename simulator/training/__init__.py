"""Training: the loop, a training run and its caches, teachers, the student and its head."""
