"""Vision: an encoder of pictures and instructions, and what policies are shown of them in place of the task's state."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
