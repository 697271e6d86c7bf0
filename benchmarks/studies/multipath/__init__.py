"""Learnt codecs over multipath: what training on it, reliability and interleaving are worth."""
