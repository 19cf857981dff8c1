"""Widgets: figures that answer to a click in a notebook."""
