"""Notebooks in batch: papermill over the four of them, parameters checked before anything starts."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ate.errors import InputError, unknown
from ate.presets import ROOT, Settings, settings
from ate.runs.preflight import preflight

NOTEBOOKS = {
    "01": "01_inspect_data.ipynb",
    "02": "02_align_latents.ipynb",
    "03": "03_steer_policy.ipynb",
    "04": "04_ablate_lambda_clamp.ipynb",
}

# Parameters that may name a file: the first two always do, the others also take names.
PATHS = ("pretrain", "adapt", "exclude", "exclude_pretrain", "robot", "robot_pretrain")


class NotebookFailed(RuntimeError):
    """A cell of a notebook raised; the executed notebook is kept and shows where."""


def execute(numbers: Sequence[str], given: Mapping[str, Any]) -> Settings:
    """Run notebooks one after the other into `<run>/notebooks/`.

    Args:
        numbers: `"01"` … `"04"`, in the order in which to run them.
        given: parameters by name, as `ate.presets.settings` takes them.

    Returns:
        The settings that all of them ran with.

    Raises:
        InputError: unknown notebook, unknown or ill-typed parameter, data that cannot be used; nothing was written.
        NotebookFailed: a cell raised.
    """
    for number in numbers:
        if number not in NOTEBOOKS:
            raise unknown(number, NOTEBOOKS, where="notebook")
    chosen = settings(given)
    preflight(chosen, strict=tuple(numbers) != ("01",))
    # A notebook has a working folder of its own, so folders named on the command line must not depend on it.
    parameters = {**given, "profile": chosen.profile, "run": str(chosen.directory)}
    for name in PATHS:
        value = str(given.get(name) or "")
        if value and (name in PATHS[:2] or value.endswith((".txt", ".toml"))):
            parameters[name] = str(Path(value).resolve())
    # Idle OpenMP threads that spin slow a guided step on shared cores by a factor of ten and more.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ["ATE_BATCH"] = "1"
    for number in numbers:
        _execute(number, chosen, parameters)
    return chosen


def _execute(number: str, chosen: Settings, parameters: Mapping[str, Any]) -> None:
    import papermill
    from papermill.exceptions import PapermillExecutionError

    source = ROOT / "notebooks" / NOTEBOOKS[number]
    if not source.exists():
        raise InputError(
            "no such file", where=str(source), expected="the notebook beside the package",
            way_out="install from a clone with `pip install -e .`, as `make venv` does",
        )  # fmt: skip
    output = chosen.directory / "notebooks" / NOTEBOOKS[number]
    output.parent.mkdir(parents=True, exist_ok=True)
    try:
        papermill.execute_notebook(source, output, parameters, kernel_name="python3", log_output=False)
    except PapermillExecutionError as error:
        raise NotebookFailed(
            f"{NOTEBOOKS[number]}, cell {error.exec_count}: {error.ename}: {error.evalue}\nsee {output}"
        ) from error
