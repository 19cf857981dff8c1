"""The data doctor: what is wrong with a set of demonstrations, joint by joint, with the fix. No torch needed."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
