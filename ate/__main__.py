"""`python -m ate` is the command `ate`."""

from ate.cli import main

main()
