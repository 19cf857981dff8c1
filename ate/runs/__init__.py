"""Runs: loop, checkpoints, locks, status and folders of every long job. A run lives on disk, not in a kernel."""
