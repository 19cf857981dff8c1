"""Viz: results in, figures and one offline report out. Nothing else imports this room; it looks at all of them."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
