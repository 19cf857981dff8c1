"""Batch: papermill executes the notebooks."""
