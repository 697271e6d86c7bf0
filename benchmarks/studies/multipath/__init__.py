"""Learnt codecs over multipath: the benefit of training on it, reliability and interleaving."""
