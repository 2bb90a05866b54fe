"""Combinations whose answers were weighed: scores, rows and ranks with ties."""
