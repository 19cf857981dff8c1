"""Policies: diffusion and flow policies, their noise paths and networks, and RDT."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
