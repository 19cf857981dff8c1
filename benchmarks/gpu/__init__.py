"""What the product does on one GPU, in under seven minutes: `make gpu`, or `python -m benchmarks.gpu`."""
