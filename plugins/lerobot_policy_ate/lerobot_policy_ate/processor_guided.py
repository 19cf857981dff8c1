"""Processors: lerobot's own, under the names by which lerobot 0.6 looks for those of a plug-in's policies."""

from importlib import import_module
from typing import Any

# Name of the maker → the policy of lerobot. Imported when asked for, as the policies are.
MAKERS = {f"make_ate_{policy}_pre_post_processors": policy for policy in ("diffusion", "smolvla", "pi05")}


def __getattr__(name: str) -> Any:
    """The maker of that name."""
    if name not in MAKERS:
        raise AttributeError(name)
    policy = MAKERS[name]
    return getattr(import_module(f"lerobot.policies.{policy}.processor_{policy}"), f"make_{policy}_pre_post_processors")
