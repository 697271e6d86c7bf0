"""KDL-DARTS: architecture search with a distillation loss and a cost penalty."""
