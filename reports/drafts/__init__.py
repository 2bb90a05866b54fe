"""Drafts: their rows from sessions and from published studies, and their tables."""
