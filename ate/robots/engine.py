"""MuJoCo, imported where a model is read or simulated and nowhere else."""

from typing import Any

from ate.errors import InputError, install


def engine(where: str = "ate.sim", use: str = "runs the simulated robots") -> Any:
    """The mujoco module.

    Args:
        where: what needs it, for the message.
        use: what it is needed for.

    Raises:
        InputError: it is not installed, with the command that installs it.
    """
    try:
        import mujoco
    except ImportError as error:
        raise InputError(
            "no module named mujoco",
            where=where,
            expected=f"MuJoCo 4.0 or newer, which {use}",
            fix=install("sim"),
        ) from error
    return mujoco
