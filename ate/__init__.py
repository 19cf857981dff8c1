"""Align-Then-stEer: align the action chunks of old and new robots, then steer a policy's fine-tuning.

Rooms, in the order in which data flows: `ate.data`, `ate.align`, `ate.steer`, `ate.policies`, `ate.sim`,
`ate.ablate`, `ate.ladder`; `ate.runs` serves them all and `ate.viz` looks at all of them. Each is imported when first
used.
"""

from importlib import import_module
from types import ModuleType

__version__ = "0.1.0"
ROOMS = ("ablate", "align", "data", "ladder", "policies", "presets", "runs", "sim", "steer", "viz")


def __getattr__(name: str) -> ModuleType:
    if name in ROOMS:
        return import_module(f"ate.{name}")
    raise AttributeError(f"module 'ate' has no attribute {name!r}; rooms are {', '.join(ROOMS)}")


def __dir__() -> list[str]:
    return sorted([*globals(), *ROOMS])
