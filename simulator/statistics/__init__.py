"""Uncertainty of accuracies: tallies of outcomes, intervals, paired comparisons."""
