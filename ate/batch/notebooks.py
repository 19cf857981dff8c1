"""Notebooks in batch: papermill executes them, after a check of the parameters."""

import logging
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any

from ate.data.hub import is_id
from ate.errors import InputError, unknown
from ate.experiments import run_file
from ate.experiments.settings import ROOT, Settings, settings
from ate.robots.model_text import is_model
from ate.runs.directory import TITLES, RunDirectory
from ate.runs.failure import RED, NotebookFailed, NotebookFailure, section_of
from ate.runs.files import write_text
from ate.runs.lock import lock
from ate.sim.gym_address import absolute

if TYPE_CHECKING:
    from nbformat import NotebookNode

NOTEBOOKS = {
    "01": "01_inspect_data.ipynb",
    "02": "02_align_latents.ipynb",
    "03": "03_steer_policy.ipynb",
    "04": "04_ablate_lambda_clamp.ipynb",
}
# Parameters that name files: the first three always, the others only with a suffix.
PATHS = ("pretrain", "adapt", "winner", "exclude", "exclude_pretrain", "robot", "robot_pretrain")
# Seconds that a kernel may take to start or to send its output: many at once on few cores take minutes.
TIMEOUT = 600
# A kernel's ports are chosen before it starts. If another program takes one meanwhile, it dies and is started again.
STARTS = 3
# Papermill's tag for cells that it adds around an error, and removes when it runs the notebook again.
MARK = "papermill-error-cell-tag"


def execute(numbers: Sequence[str], given: Mapping[str, Any]) -> Settings:
    """Run notebooks one after the other into `<run>/notebooks/`, then write the report.

    Only one process at a time does so in a run directory; another one waits.

    Args:
        numbers: `"01"` … `"04"`, in the order in which to run them.
        given: parameters by name, as `ate.experiments.settings.settings` takes them.

    Returns:
        The settings that all of them ran with.

    Raises:
        InputError: unknown notebook, unknown or ill-typed parameter, data that cannot be used or that the doctor calls
            FAIL, or a run directory of an earlier version or of other data; nothing was written.
        NotebookFailed: a notebook did not run to its end. The notebooks after it were not run. The report is written;
            it and the executed notebook begin with the card of the failure.
    """
    for number in numbers:
        if number not in NOTEBOOKS:
            raise unknown(number, NOTEBOOKS, where="notebook")
    chosen = settings(given)
    directory = RunDirectory(chosen.directory)
    # Imported here: it imports torch, and a mistyped name should be refused without that wait.
    from ate.experiments.preparation import preflight

    preflight(chosen, strict=tuple(numbers) != ("01",))
    # Lists go into a notebook as text with commas, as people write them there.
    texts = {name: chosen.parameters[name] for name, value in given.items() if isinstance(value, (list, tuple))}
    # A notebook has another working folder, so relative paths of the command line are resolved here.
    parameters = {**given, **texts, "profile": chosen.profile, "run": str(chosen.directory)}
    for name in PATHS:
        value = str(given.get(name) or "")
        a_file = value.endswith((".txt", ".toml", ".json")) or is_model(value)
        if value and not is_id(value) and (name in PATHS[:3] or a_file):
            parameters[name] = str(Path(value).resolve())
    if chosen.simulator:
        parameters["simulator"] = absolute(chosen.simulator)
    # Idle OpenMP threads that spin slow a guided step down on shared cores, tenfold and more.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ["ATE_BATCH"] = "1"
    from ate.viz.report.write import write_report

    run_file.write(settings(parameters), numbers)
    with lock(directory.create().path, f"running notebook {', '.join(numbers)}"):
        try:
            for position, number in enumerate(numbers):
                _execute(number, directory, parameters, tuple(numbers[position + 1 :]))
        finally:
            if directory.headlines() or directory.failures():
                write_report(directory)
    return chosen


def _execute(number: str, directory: RunDirectory, parameters: Mapping[str, Any], later: tuple[str, ...]) -> None:
    from papermill.exceptions import PapermillExecutionError

    source = ROOT / "notebooks" / NOTEBOOKS[number]
    if not source.exists():
        expected = "the notebooks next to the package"
        fix = "install from a clone with `pip install -e .`, as `make venv` does"
        raise InputError("no such file", where=str(source), expected=expected, fix=fix)
    output = directory.path / "notebooks" / NOTEBOOKS[number]
    output.parent.mkdir(parents=True, exist_ok=True)
    directory.begin(number)
    try:
        _papermill(source, output, parameters)
    except (PapermillExecutionError, RuntimeError) as error:
        failure = _failure(error, number, output, parameters, later)
        directory.save_failure(failure)
        raise NotebookFailed(failure) from error


def _papermill(source: Path, output: Path, parameters: Mapping[str, Any]) -> None:
    """Execute a notebook, and start a kernel again that dies before its first cell.

    Raises:
        PapermillExecutionError: a cell raised.
        RuntimeError: the kernel died.
    """
    import papermill

    from ate.batch.kernel import kernel_with, last_words

    options = {"kernel_name": "python3", "log_output": False, "start_timeout": TIMEOUT, "iopub_timeout": TIMEOUT}
    output.unlink(missing_ok=True)
    for attempt in range(STARTS):
        with TemporaryFile() as errors:
            try:
                papermill.execute_notebook(
                    source, output, parameters, kernel_manager_class=kernel_with(errors), **options
                )
                return
            except KeyboardInterrupt:
                # nbclient leaves the task of the interrupted cell behind; asyncio would log that its kernel is gone.
                logging.getLogger("asyncio").addFilter(lambda record: "DeadKernelError" not in record.getMessage())
                raise
            except RuntimeError:
                if attempt == STARTS - 1 or _last_begun(_read(output)) is not None:
                    sys.stderr.write(last_words(errors))
                    raise


def _failure(
    error: Exception, number: str, output: Path, parameters: Mapping[str, Any], later: tuple[str, ...]
) -> NotebookFailure:
    """The card of an error, which is also written as the first cell of the executed notebook."""
    import nbformat

    notebook = _read(output)
    index = getattr(error, "cell_index", _last_begun(notebook))
    cell = None if index is None else notebook.cells[index]
    failure = NotebookFailure.of(
        getattr(error, "ename", type(error).__name__),
        getattr(error, "evalue", str(error)),
        notebook=number,
        title=TITLES[number],
        section="" if index is None else section_of([(c.cell_type, c.source) for c in notebook.cells], index),
        cell=None if cell is None else cell.execution_count,
        command=settings(parameters).command(number),
        output=str(output),
        not_run=later,
    )
    marks = {"tags": [MARK]}
    if index is not None:
        pointer = f"<b style='color:{RED}'>The next cell failed.</b>"
        notebook.cells.insert(index, nbformat.v4.new_markdown_cell(pointer, metadata=marks))
    notebook.cells.insert(0, nbformat.v4.new_markdown_cell(failure.html(), metadata=marks))
    write_text(output, nbformat.writes(notebook))
    return failure


def _read(output: Path) -> "NotebookNode":
    """The notebook as far as it was executed, without the cells that papermill added around an error."""
    import nbformat

    if not output.exists():
        return nbformat.v4.new_notebook()
    notebook = nbformat.read(output, as_version=4)
    notebook.cells = [cell for cell in notebook.cells if MARK not in cell.metadata.get("tags", [])]
    return notebook


def _last_begun(notebook: "NotebookNode") -> int | None:
    """Index of the last code cell that was begun, None if none was."""
    code = [(index, cell) for index, cell in enumerate(notebook.cells) if cell.cell_type == "code"]
    return max((index for index, cell in code if cell.metadata.get("papermill", {}).get("start_time")), default=None)
