"""Tracking: a run directory copied to an experiment tracker with the interface of wandb; offline by default.

Everything else reads the run directory. A tracker gets settings, the metric rows of every training as they come, and,
as a summary, headline numbers and tables of the notebooks.
"""

import inspect
import json
import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import Any

from ate.errors import InputError, install
from ate.runs.directory import RunDirectory
from ate.runs.loop import METRICS

# Environment variables that keep wandb, trackio and the hub that trackio can use on this machine; None unsets one.
OFFLINE: Mapping[str, str | None] = {
    "WANDB_MODE": "offline",
    "WANDB_ERROR_REPORTING": "false",
    "HF_HUB_OFFLINE": "1",
    "TRACKIO_SPACE_ID": None,
    "TRACKIO_SERVER_URL": None,
    "TRACKIO_DATASET_ID": None,
    "TRACKIO_BUCKET_ID": None,
    "TRACKIO_WEBHOOK_URL": None,
}


class Tracker:
    """One run directory in one tracker.

    Attributes:
        run: the run directory.
    """

    def __init__(self, run: RunDirectory, module: ModuleType, project: str, online: bool) -> None:
        """Begin a run named after the folder, with the settings of its cards."""
        self.run, self._module = run, module
        # Rows copied so far, by training.
        self._copied: dict[str, int] = {}
        accepted = inspect.signature(module.init).parameters
        options = {"dir": str(run.path), "mode": "online" if online else "offline"}
        options = {name: value for name, value in options.items() if name in accepted}
        settings = {key: dict(card.get("config", {})) for key, card in run.cards().items()}
        self._tracked = module.init(project=project, name=run.path.name, config=settings, **options)

    def update(self) -> int:
        """Copy the metric rows that are new since the last call; returns their number.

        Rows of the training in `align/ab12/pretrain` go under that name with a step of their own, because each
        training of a run counts its steps from 0.
        """
        count = 0
        for file in sorted(self.run.path.rglob(METRICS)):
            training = file.parent.relative_to(self.run.path).as_posix()
            rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
            if training not in self._copied and hasattr(self._tracked, "define_metric"):
                self._tracked.define_metric(f"{training}/*", step_metric=f"{training}/step")
            for row in rows[self._copied.get(training, 0) :]:
                self._tracked.log({f"{training}/{name}": value for name, value in row.items()})
                count += 1
            self._copied[training] = len(rows)
        return count

    def finish(self) -> None:
        """Copy headline numbers, tables, commands and failures, and end the run."""
        summary = dict(flat(self.run.headlines()))
        summary |= {f"{key}/command": card["command"] for key, card in self.run.cards().items() if "command" in card}
        summary |= {f"{failure.notebook}/failed": failure.stage for failure in self.run.failures()}
        # trackio has no summary: it gets the summary as its last row.
        if hasattr(self._tracked, "summary"):
            self._tracked.summary.update(summary)
        elif summary:
            self._tracked.log(summary)
        tables = {name: self._table(value) for name, value in _tables(self.run.headlines())}
        if tables:
            self._tracked.log(tables)
        self._tracked.finish()

    def _table(self, content: Mapping[str, Any]) -> Any:
        # As text: trackers refuse columns that mix numbers and text.
        return self._module.Table(columns=content["columns"], data=[[str(v) for v in row] for row in content["rows"]])


@contextmanager
def tracker(run: RunDirectory, name: str, project: str = "ate", *, online: bool = False) -> Iterator[Tracker]:
    """Track a run directory; on leaving, also by an error, the rest is copied and the run ends.

    Args:
        run: the run directory.
        name: module with wandb's interface (`init`, `Table`; of a run `log`, `finish`): `"wandb"`, `"trackio"`.
        project: in the tracker.
        online: let the module reach the network as its own configuration says.

    Raises:
        InputError: the module is not installed, or has no such interface.
    """
    with _environment({} if online else OFFLINE):
        tracked = Tracker(run, _module(name), project, online)
        try:
            yield tracked
            tracked.update()
        finally:
            tracked.finish()


def flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, float | str]]:
    """Numbers and text of a headline under names joined by `/`, without tables and lists."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{name}/")
        elif isinstance(value, (str, bool)) or (isinstance(value, (int, float)) and math.isfinite(value)):
            yield f"{prefix}{name}", value


def _tables(headlines: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for key, headline in headlines.items():
        for name, value in headline.items():
            if isinstance(value, Mapping) and {"columns", "rows"} <= set(value):
                yield f"{key}/{name}", value


def _module(name: str) -> ModuleType:
    where = f"tracker {name!r}"
    try:
        module = import_module(name)
    except ModuleNotFoundError as error:
        got, fix = f"no module {error.name!r}", f"{install('track')} for trackio, or pip install wandb"
        raise InputError(got, where=where, expected="a module with wandb's interface", fix=fix) from error
    if not all(callable(getattr(module, part, None)) for part in ("init", "Table")):
        got, fix = "a module without init and Table", "name wandb, trackio, or a module like them"
        raise InputError(got, where=where, expected="wandb's interface", fix=fix)
    return module


@contextmanager
def _environment(values: Mapping[str, str | None]) -> Iterator[None]:
    """Set environment variables inside a block; None unsets one."""
    saved = {name: os.environ.pop(name, None) for name in values}
    os.environ.update({name: value for name, value in values.items() if value is not None})
    try:
        yield
    finally:
        for name in values:
            os.environ.pop(name, None)
        os.environ.update({name: value for name, value in saved.items() if value is not None})
