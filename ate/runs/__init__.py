"""Runs: what every long job shares. A run lives on disk, not in a kernel."""
