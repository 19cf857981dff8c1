"""LeRobot v3, written: `observation.state`, `observation.environment_state` and `action` in parquet, JSON in `meta/`.

Joints are float32 as they are; what has no recorded action gets the row measured next, which is what a position servo
should be told now.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ate.data.episodes import Episode, Episodes
from ate.data.formats import parquet
from ate.data.units import quantities
from ate.errors import InputError
from ate.runs.files import write_json

STATE, ENVIRONMENT, ACTION = "observation.state", "observation.environment_state", "action"
_DATA = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
_VIDEO = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"
_FILE = "chunk-000/file-000.parquet"
_QUANTILES = {"q01": 0.01, "q10": 0.1, "q50": 0.5, "q90": 0.9, "q99": 0.99}


def write(episodes: Episodes, folder: Path) -> None:
    """Write a data set into an empty folder: one data file, one list of episodes.

    Raises:
        InputError: no pyarrow, no rate, or values that cannot be read.
    """
    if episodes.rate_hz is None:
        raise InputError(
            "episodes without a rate", where=str(folder), expected="steps a second: LeRobot keeps a time of every row",
            fix="record rate_hz, or write the native format",
        )  # fmt: skip
    library = parquet.arrow(str(folder))
    import pyarrow as pa

    tasks = tuple(dict.fromkeys(_task(item, episodes) for item in episodes))
    columns = _columns(episodes, tasks)
    table = pa.table({name: _array(pa, values) for name, values in columns.items()})
    first = np.cumsum([0, *episodes.lengths])
    zeros = [0] * len(episodes)
    listing = {
        "episode_index": list(range(len(episodes))),
        "tasks": [[_task(item, episodes)] for item in episodes],
        "length": [int(n) for n in episodes.lengths],
        "data/chunk_index": zeros, "data/file_index": zeros,
        "dataset_from_index": [int(n) for n in first[:-1]], "dataset_to_index": [int(n) for n in first[1:]],
        "meta/episodes/chunk_index": zeros, "meta/episodes/file_index": zeros,
    }  # fmt: skip
    for place in ("data/chunk-000", "meta/episodes/chunk-000"):
        (folder / place).mkdir(parents=True)
    library.write_table(table, folder / "data" / _FILE)
    library.write_table(pa.table(listing), folder / "meta/episodes" / _FILE)
    library.write_table(_tasks(pa, tasks), folder / "meta/tasks.parquet")
    write_json(folder / "meta/stats.json", {name: _statistics(values) for name, values in columns.items()})
    write_json(folder / "meta/info.json", _info(episodes, columns, len(tasks)))


def _columns(episodes: Episodes, tasks: tuple[str, ...]) -> dict[str, np.ndarray]:
    """All rows of every feature, in LeRobot's order."""
    series: dict[str, list[np.ndarray]] = {STATE: [], ACTION: []}
    if episodes.has("state"):
        series[ENVIRONMENT] = []
    for item in episodes:
        qpos = item.qpos
        series[STATE].append(qpos)
        series[ACTION].append(item.read("action") if item.has("action") else np.concatenate([qpos[1:], qpos[-1:]]))
        if ENVIRONMENT in series:
            series[ENVIRONMENT].append(item.read("state"))
    frame = np.concatenate([np.arange(n) for n in episodes.lengths])
    rate = episodes.rate_hz or 1.0
    return {
        **{name: np.concatenate(parts).astype(np.float32) for name, parts in series.items()},
        "timestamp": (frame / rate).astype(np.float32),
        "frame_index": frame,
        "episode_index": np.repeat(np.arange(len(episodes)), episodes.lengths),
        "index": np.arange(len(frame)),
        "task_index": np.repeat([tasks.index(_task(item, episodes)) for item in episodes], episodes.lengths),
    }


def _task(item: Episode, episodes: Episodes) -> str:
    return str(item.attributes.get("task") or episodes.task or "")


def _array(pa: Any, values: np.ndarray) -> Any:
    if values.ndim == 1:
        return pa.array(values)
    return pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), values.shape[1])


def _tasks(pa: Any, tasks: tuple[str, ...]) -> Any:
    """Numbers of the tasks with their texts as the index that pandas reads them by."""
    table = pa.table({"task_index": list(range(len(tasks))), "__index_level_0__": list(tasks)})
    kinds = {"task_index": ("task_index", "int64"), "__index_level_0__": (None, "unicode")}
    columns = [
        {
            "name": name, "field_name": field, "pandas_type": kind, "metadata": None,
            "numpy_type": "object" if kind == "unicode" else kind,
        }
        for field, (name, kind) in kinds.items()
    ]  # fmt: skip
    pandas = {"index_columns": ["__index_level_0__"], "column_indexes": [], "columns": columns}
    return table.replace_schema_metadata({"pandas": json.dumps(pandas)})


def _statistics(values: np.ndarray) -> dict[str, list[float]]:
    rows = values.astype(np.float64).reshape(len(values), -1)
    measures = {"min": rows.min(0), "max": rows.max(0), "mean": rows.mean(0), "std": rows.std(0)}
    measures |= {name: np.quantile(rows, q, axis=0) for name, q in _QUANTILES.items()}
    return {**{name: part.tolist() for name, part in measures.items()}, "count": [len(rows)]}


def _info(episodes: Episodes, columns: Mapping[str, np.ndarray], tasks: int) -> dict[str, Any]:
    first, joints = episodes[0], list(episodes.joint_names)
    names: dict[str, list[str] | None] = {
        STATE: joints,
        ACTION: list(first.column_names("action")) or joints if first.has("action") else joints,
        ENVIRONMENT: (list(first.column_names("state")) or None) if first.has("state") else None,
    }
    features = {
        name: {
            "dtype": str(values.dtype), "shape": [1 if values.ndim == 1 else values.shape[1]], "names": names.get(name),
        }
        for name, values in columns.items()
    }  # fmt: skip
    rate = episodes.rate_hz or 1.0
    return {
        "codebase_version": "v3.0",
        "robot_type": episodes.robot,
        # Not LeRobot's own: without it joints in rad would be taken for the degrees that its arms record.
        "units": quantities(first),
        "total_episodes": len(episodes),
        "total_frames": int(episodes.lengths.sum()),
        "total_tasks": tasks,
        "chunks_size": 1000,
        "data_files_size_in_mb": 100,
        "video_files_size_in_mb": 500,
        "fps": int(rate) if rate == int(rate) else rate,
        "splits": {"train": f"0:{len(episodes)}"},
        "data_path": _DATA,
        "video_path": _VIDEO,
        "features": features,
    }
