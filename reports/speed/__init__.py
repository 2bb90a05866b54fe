"""Combinations under load: what was measured, its rows, cells and tables."""
