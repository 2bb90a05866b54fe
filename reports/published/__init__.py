"""Published results: the data, its statistics and tables."""
