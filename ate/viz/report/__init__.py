"""Report: one HTML page of a run that opens without a network."""
