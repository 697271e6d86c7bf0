"""How sure an accuracy is: tallies of outcomes, intervals, paired comparisons."""
