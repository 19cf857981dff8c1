"""`python -m ate` is the command `ate`."""

from ate.cli.main import main

main()
