"""KDL-DARTS: architecture search with distillation and a cost penalty inside."""
