"""Statistics of experiments: pairing, intervals, corrections, power and pooling."""
