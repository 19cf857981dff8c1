"""Evaluate: what an alignment is worth, by numbers with a null and by maps of its latents."""
