"""How much of a number is noise: components of variance, and their tables."""
