"""Align: two Info-VAEs put the chunks of pre-training and adaptation robots into one latent space.

Importing the package does not import torch. No module is named like an exported function, because importing the module
would hide the function.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
