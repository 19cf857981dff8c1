"""Interruption: what an interrupted command leaves, and the command line that goes on from there."""

import shlex
from collections.abc import Mapping, Sequence

# Exit code of a process that an interrupt ended, as shells give it.
EXIT_CODE = 130
KEPT = "checkpoints of what was training are kept"
# Command → what is left.
LEFT: Mapping[str, str] = {
    "align": KEPT,
    "benchmark": "variants that were finished are kept",
    "compare": f"cells that were finished are kept, and {KEPT}",
    "evidence": f"cells that were finished are kept, and {KEPT}",
    "run": f"notebooks that were finished are kept, and {KEPT}",
    "steer": KEPT,
    "sweep": f"cells that were finished are kept, and {KEPT}",
    "track": "what was copied stays",
}


class Interrupted(Exception):
    """A command was interrupted by the user."""


def words(arguments: Sequence[str]) -> str:
    """What to say, and how to go on.

    Args:
        arguments: of the command line, without `ate`.
    """
    name, command = (arguments[0] if arguments else ""), shlex.join(["ate", *arguments])
    if name == "watch":
        return f"No longer watched; the run goes on. To follow it again: {command}. To stop it: {command} --stop"
    if name not in LEFT:
        return f"Interrupted. To do it again: {command}"
    first = "with `resume: True` and `enable_resume: True` in the file, " if "--config" in arguments else ""
    return f"Interrupted: {LEFT[name]}. To go on: {first}{command}"
