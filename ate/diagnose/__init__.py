"""The diagnosis: a policy with a low loss and a bad robot, climbed from the recordings up to the weights.

Each check asks one thing that goes wrong without a word, says what was found beside what was expected, and what to try
next; the first FAIL is where to look. See docs/diagnosis.md.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
