"""Align: two Info-VAEs put the chunks of old and new robots into one latent space.

Importing this costs nothing: torch is imported by what is used. No module is named like a function of the
room, or importing the module would hide the function.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
