"""The command `ate`: one file for each group of commands."""
