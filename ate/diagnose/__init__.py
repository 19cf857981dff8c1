"""The diagnosis of a policy with a low loss and a bad robot: eight checks, from the recordings to the weights.

Each check measures one thing that goes wrong without an error, and reports what it got, what was expected and what to
try next. The first FAIL is where to look. `docs/checks.md` explains each check.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
