"""Tables: rows of notebooks, report and console."""
