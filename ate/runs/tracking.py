"""Tracking: a run directory told to an experiment tracker with the interface of wandb; offline unless asked.

The run directory stays what everything else reads. A tracker gets a copy: settings, metric rows of every training as
they come, and, as a summary, headline numbers and tables of the notebooks.
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

from ate.errors import InputError
from ate.runs.directory import RunDirectory
from ate.runs.loop import METRICS

# What keeps wandb and trackio (and the hub that trackio can use) on this machine, whatever the user's shell says.
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
        self._told: dict[str, int] = {}
        taken = inspect.signature(module.init).parameters
        more = {"dir": str(run.path), "mode": "online" if online else "offline"}
        settings = {key: dict(card.get("config", {})) for key, card in run.cards().items()}
        self._there = module.init(
            project=project, name=run.path.name, config=settings, **{k: v for k, v in more.items() if k in taken}
        )

    def update(self) -> int:
        """Tell the metric rows that have come since the last call; how many.

        Rows of the training in `align/ab12/pretrain` go under that name, each with its own step: a run holds several
        trainings, and their steps start anew.
        """
        count = 0
        for file in sorted(self.run.path.rglob(METRICS)):
            training = file.parent.relative_to(self.run.path).as_posix()
            rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
            if training not in self._told and hasattr(self._there, "define_metric"):
                self._there.define_metric(f"{training}/*", step_metric=f"{training}/step")
            for row in rows[self._told.get(training, 0) :]:
                self._there.log({f"{training}/{name}": value for name, value in row.items()})
                count += 1
            self._told[training] = len(rows)
        return count

    def finish(self) -> None:
        """Tell headline numbers, tables, commands and failures, and end the run."""
        summary = dict(flat(self.run.headlines()))
        summary |= {f"{key}/command": card["command"] for key, card in self.run.cards().items() if "command" in card}
        summary |= {f"{failure.notebook}/failed": failure.stage for failure in self.run.failures()}
        # trackio has no summary: there the last row holds it.
        if hasattr(self._there, "summary"):
            self._there.summary.update(summary)
        elif summary:
            self._there.log(summary)
        tables = {name: self._table(value) for name, value in _tables(self.run.headlines())}
        if tables:
            self._there.log(tables)
        self._there.finish()

    def _table(self, content: Mapping[str, Any]) -> Any:
        # As text: columns of numbers with a word among them are refused.
        return self._module.Table(columns=content["columns"], data=[[str(v) for v in row] for row in content["rows"]])


@contextmanager
def tracker(run: RunDirectory, name: str, project: str = "ate", *, online: bool = False) -> Iterator[Tracker]:
    """Track a run directory; what is told last is told on leaving, however that comes about.

    Args:
        run: the run directory.
        name: module with wandb's interface (`init`, `Table`; of a run `log`, `finish`): `"wandb"`, `"trackio"`.
        project: in the tracker.
        online: let the module reach the network as its own configuration says.

    Raises:
        InputError: the module is not installed, or has no such interface.
    """
    with _surroundings({} if online else OFFLINE):
        following = Tracker(run, _module(name), project, online)
        try:
            yield following
            following.update()
        finally:
            following.finish()


def flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, float | str]]:
    """Numbers and words of a headline under names joined by `/`; tables and lists are left out."""
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
    try:
        module = import_module(name)
    except ModuleNotFoundError as error:
        raise InputError(
            f"no module {error.name!r}", where=f"tracker {name!r}", expected="a module with wandb's interface",
            fix="pip install 'ate[track]' for trackio, or pip install wandb",
        ) from error  # fmt: skip
    if not all(callable(getattr(module, part, None)) for part in ("init", "Table")):
        raise InputError(
            "a module without init and Table", where=f"tracker {name!r}", expected="wandb's interface",
            fix="name wandb, trackio, or a module like them",
        )  # fmt: skip
    return module


@contextmanager
def _surroundings(values: Mapping[str, str | None]) -> Iterator[None]:
    """Environment variables for the length of a block; None takes one away."""
    before = {name: os.environ.get(name) for name in values}
    _set(values)
    try:
        yield
    finally:
        _set(before)


def _set(values: Mapping[str, str | None]) -> None:
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
