"""RDT: the diffusion transformer of RDT-1B, its runner, and its published weights."""

from typing import Any

import lazy_loader

_stub, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)


def __getattr__(name: str) -> Any:
    if name == "guidance_of":
        # The only import upwards: users look here for the guidance of their `vae:` block.
        from ate.steer.released import guidance_of

        return guidance_of
    return _stub(name)
