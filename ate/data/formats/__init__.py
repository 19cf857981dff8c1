"""Formats: one reader per on-disk layout."""
