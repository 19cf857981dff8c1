"""Run cards: everything needed to reproduce a result."""

import math
import platform
import sys
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

PACKAGES = ("ate", "numpy", "torch", "mujoco", "scikit-learn", "scipy", "h5py")


def card(
    config: Mapping[str, Any], *, seeds: Mapping[str, Any], hashes: Mapping[str, str], command: str
) -> dict[str, Any]:
    """A run's card: config, seeds, hashes of data and statistics, versions, command, and time of writing."""
    versions = dict.fromkeys(PACKAGES, "not installed")
    for package in PACKAGES:
        with suppress(PackageNotFoundError):
            versions[package] = version(package)
    return {
        "command": command,
        # JSON has no infinity; a clamp may be infinite.
        "config": {name: str(value) if value in (math.inf, -math.inf) else value for name, value in config.items()},
        "seeds": dict(seeds),
        "hashes": dict(hashes),
        "versions": {"python": sys.version.split()[0], "machine": platform.machine(), **versions},
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
    }
