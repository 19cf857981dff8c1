"""Statistics of a checkpoint, which it normalises joints by: openpi's, lerobot's, of whatever file holds them.

openpi     {"norm_stats": {"state": {"mean", "std", "q01", "q99"}, "actions": …}}     norm_stats.json
lerobot    {"observation.state": {"min", "max", "mean", "std", "q01", …}, "action": …}     meta/stats.json
           the same as "observation.state.mean" and so on in the safetensors of its processors
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ate.errors import InputError

Columns = NDArray[np.float64]
# The series of ours that each entry is of.
SERIES = {"state": "qpos", "actions": "action", "observation.state": "qpos", "action": "action"}
# Where they are looked for in the folder of a checkpoint or of a data set, in this order.
PLACES = (
    "norm_stats.json", "policy_preprocessor*.safetensors", "meta/stats.json", "stats.json", "assets/**/norm_stats.json",
    "pretrained_model/policy_preprocessor*.safetensors",
)  # fmt: skip
# Deviations that a normal distribution hardly leaves: 0.3 % of it.
DEVIATIONS = 3.0
METHODS = {"QUANTILES": "quantiles", "MEAN_STD": "mean and deviation", "MIN_MAX": "minimum and maximum"}
"""lerobot's name of a way to normalise → ours."""


@dataclass(frozen=True, eq=False)
class Statistics:
    """What a checkpoint knows of its training data.

    Attributes:
        file: where it was read.
        series: by series of ours (`qpos`, `action`), by name (`mean`, `std`, `min`, `max`, `q01`, `q99`), `(columns,)`.
        methods: how the checkpoint normalises each series, one of the values of `METHODS`; empty where it does not say.
        names: columns' names where the file's folder has them.
    """

    file: Path
    series: Mapping[str, Mapping[str, Columns]]
    methods: Mapping[str, str] = field(default_factory=dict)
    names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @classmethod
    def read(cls, path: str | Path) -> "Statistics":
        """Statistics of a file, or of the checkpoint or data set in a folder.

        Raises:
            InputError: there are none, or they are of no form that is known.
        """
        file = _located(Path(path))
        try:
            tree = _tree(file)
        except (ValueError, OSError, UnicodeDecodeError) as error:
            fix = "give openpi's norm_stats.json, lerobot's stats.json or the safetensors of its policy_preprocessor"
            raise InputError(
                f"{type(error).__name__}: {error}", where=str(file), expected="statistics", fix=fix
            ) from error
        series = {SERIES[name]: _columns(values, file, name) for name, values in tree.items() if name in SERIES}
        if not any(series.values()):
            got, expected = f"entries {', '.join(map(str, tree)) or 'none'}", f"one of {', '.join(SERIES)}"
            fix = "give the file that the checkpoint normalises by, not its configuration"
            raise InputError(got, where=str(file), expected=expected, fix=fix)
        return cls(file, {name: values for name, values in series.items() if values}, _methods(file), _names(file))

    def ranges(self, series: str) -> dict[str, tuple[Columns, Columns]]:
        """What each way to normalise takes for the range of training: `{method: (low, high)}`, `(columns,)` each."""
        return ranges_of(self.series[series])


def ranges_of(known: Mapping[str, Columns]) -> dict[str, tuple[Columns, Columns]]:
    """The range `(low, high)` that each way to normalise takes from statistics by name, `(columns,)` each."""
    ranges = {}
    if {"q01", "q99"} <= known.keys():
        ranges["quantiles"] = known["q01"], known["q99"]
    if {"mean", "std"} <= known.keys():
        reach = DEVIATIONS * known["std"]
        ranges["mean and deviation"] = known["mean"] - reach, known["mean"] + reach
    if {"min", "max"} <= known.keys():
        ranges["minimum and maximum"] = known["min"], known["max"]
    return ranges


def summary(rows: NDArray[np.floating[Any]]) -> dict[str, Columns]:
    """The statistics of rows `(n, columns)`, by name."""
    values = rows.astype(np.float64)
    low, high = np.quantile(values, [0.01, 0.99], axis=0)
    known = {"mean": values.mean(0), "std": values.std(0), "min": values.min(0), "max": values.max(0)}
    return {**known, "q01": low, "q99": high}


def _located(path: Path) -> Path:
    if path.is_file():
        return path
    files = [file for place in PLACES for file in sorted(path.glob(place))] if path.is_dir() else []
    holding = [file for file in files if file.suffix == ".json" or "normalizer" in file.name] or files
    if holding:
        return holding[0]
    got = "no statistics in this folder" if path.is_dir() else "no such file or folder"
    fix = f"give the file itself; looked for {', '.join(PLACES)}"
    raise InputError(got, where=str(path), expected="statistics of a checkpoint", fix=fix)


def _tree(file: Path) -> dict[str, Any]:
    """Entries by name, each a mapping of statistics."""
    if file.suffix == ".safetensors":
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        try:
            flat = load_file(file)
        except SafetensorError as error:
            raise ValueError(str(error)) from error
        tree: dict[str, Any] = {}
        for key, values in flat.items():
            name, _, statistic = key.rpartition(".")
            tree.setdefault(name, {})[statistic] = values
        return tree
    content = json.loads(file.read_text(encoding="utf-8"))
    content = content.get("norm_stats", content) if isinstance(content, dict) else None
    if not isinstance(content, dict):
        raise ValueError("no mapping")
    return content


def _columns(values: Any, file: Path, name: str) -> dict[str, Columns]:
    """The statistics of one entry that are a number a column."""
    if not isinstance(values, dict):
        return {}
    known = ("mean", "std", "min", "max", "q01", "q99")
    arrays = {key: np.asarray(values[key], np.float64).reshape(-1) for key in known if values.get(key) is not None}
    widths = {key: len(array) for key, array in arrays.items()}
    if len(set(widths.values())) > 1 or any(not np.isfinite(array).all() for array in arrays.values()):
        got, fix = f"{widths} columns, or numbers that are not finite", "compute the statistics again"
        raise InputError(got, where=f"{file}, {name}", expected="one finite number a column", fix=fix)
    return arrays


def _methods(file: Path) -> dict[str, str]:
    """How lerobot's processor normalises, from the file beside the statistics."""
    pipeline = file.parent / f"{file.name.partition('_step_')[0]}.json"
    if file.suffix != ".safetensors" or not pipeline.is_file():
        return {}
    steps = json.loads(pipeline.read_text(encoding="utf-8")).get("steps", [])
    modes: Mapping[str, Any] = next(
        (step["config"]["norm_map"] for step in steps if "norm_map" in step.get("config", {})), {}
    )
    words = {
        series: METHODS.get(str(modes.get(kind)), "") for series, kind in (("qpos", "STATE"), ("action", "ACTION"))
    }
    return {series: word for series, word in words.items() if word}


def _names(file: Path) -> dict[str, tuple[str, ...]]:
    """Columns' names of a LeRobot data set, from the file beside its statistics."""
    info = file.parent / "info.json"
    if not info.is_file():
        return {}
    features = json.loads(info.read_text(encoding="utf-8")).get("features", {})
    names = {SERIES[key]: value.get("names") for key, value in features.items() if key in SERIES}
    return {series: tuple(map(str, given)) for series, given in names.items() if isinstance(given, list)}
