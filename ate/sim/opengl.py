"""A context for drawing without a window: EGL, else OSMesa, on Linux; the system's own elsewhere.

MuJoCo chooses by `MUJOCO_GL` when it is imported, and the Makefile sets that to `disabled`, because training needs no
pictures. Here the context's class is imported from its own module, which that variable does not reach. PyOpenGL keeps
the first platform that it is imported with, and a driver may crash, so each candidate is tried in a process of its own.
"""

import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from typing import Any

from ate.errors import InputError
from ate.robots.engine import engine

BACKENDS: Mapping[str, tuple[str, ...]] = {"Linux": ("egl", "osmesa"), "Darwin": ("cgl",), "Windows": ("glfw",)}
"""Candidates by system, the first that draws is taken."""
PACKAGES = "apt-get install libegl1 libopengl0 libgl1-mesa-dri (EGL), or libosmesa6 (OSMesa)"
TRIAL = "from mujoco.{name} import GLContext; GLContext(8, 8).make_current()"
# Seconds that a trial may take on a busy machine.
PATIENCE = 60


@cache
def backend() -> str:
    """The first backend that draws on this machine: `egl`, `osmesa`, `cgl` or `glfw`.

    `MUJOCO_GL=egl` or `osmesa` chooses; `disabled` and other values do not count. Takes half a second once a process.

    Raises:
        InputError: none draws, with the packages that bring one.
    """
    engine("pictures", "draws the simulated robots")
    candidates = BACKENDS.get(platform.system(), ("glfw",))
    wanted = os.environ.get("MUJOCO_GL", "").lower().strip()
    reasons = []
    for name in (wanted,) if wanted in candidates else candidates:
        reason = _trial(name)
        if not reason:
            return name
        reasons.append(f"{name}: {reason}")
    raise InputError(
        "; ".join(reasons), where="pictures of the simulated robots", expected="EGL or OSMesa, which draw in software",
        fix=f"{PACKAGES}; everything but pictures works without",
    )  # fmt: skip


def context(width: int, height: int) -> Any:
    """A context of `backend()`, made current in this thread, for pictures of at most that many pixels.

    Raises:
        InputError: as `backend`.
    """
    name = backend()
    # Mesa draws in as many threads as there are cores, which costs more than it gives for small pictures.
    os.environ.setdefault("LP_NUM_THREADS", "0")
    platforms = {"egl", "osmesa"}
    if name in platforms and os.environ.get("PYOPENGL_PLATFORM", name) != name:
        # Left by another package or by the shell; PyOpenGL refuses then, but only where it is not imported yet.
        os.environ["PYOPENGL_PLATFORM"] = name
    made = import_module(f"mujoco.{name}").GLContext(width, height)
    made.make_current()
    return made


def _trial(name: str) -> str:
    """Why a backend does not draw here; empty where it does."""
    environment = {key: value for key, value in os.environ.items() if key != "PYOPENGL_PLATFORM"}
    command = [sys.executable, "-c", TRIAL.format(name=name)]
    try:
        done = subprocess.run(
            command, env=environment | {"MUJOCO_GL": "disabled"}, capture_output=True, text=True, timeout=PATIENCE
        )
    except subprocess.TimeoutExpired:
        return f"no answer in {PATIENCE} s"
    if done.returncode == 0:
        return ""
    lines = done.stderr.strip().splitlines()
    return lines[-1][:160] if lines else f"the process ended with {done.returncode}"
