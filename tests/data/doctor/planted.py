"""Copies of shipped sets, clean or with one fault planted."""

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np

from tests.conftest import write_episode

DATA = Path(__file__).parents[3] / "data"
Arrays = dict[str, np.ndarray]
Fault = Callable[[int, Arrays, dict[str, object]], None]


def copy(name: str, folder: Path, fault: Fault | None = None, episodes: int = 40) -> Path:
    """A shipped set, e.g. `lift/adapt/ur5e`, written anew; `fault` changes arrays and attributes of each episode."""
    for index, file in enumerate(sorted((DATA / name).glob("*.hdf5"))[:episodes]):
        with h5py.File(file) as handle:
            arrays = {key: np.asarray(value) for key, value in handle.items()}
            attributes: dict[str, object] = dict(handle.attrs)
        if fault is not None:
            fault(index, arrays, attributes)
        write(folder, index, arrays, attributes)
    return folder


def two_arms(folder: Path, left: str, right: str, fault: Fault | None = None, episodes: int = 40) -> Path:
    """A two-arm set of two shipped ones, columns named `left_…` and `right_…`."""
    files = zip(sorted((DATA / left).glob("*.hdf5")), sorted((DATA / right).glob("*.hdf5")), strict=False)
    for index, pair in enumerate(list(files)[:episodes]):
        sides, names = [], []
        for side, file in zip(("left", "right"), pair, strict=True):
            with h5py.File(file) as handle:
                sides.append({key: np.asarray(handle[key]) for key in ("qpos", "action")})
                names += [f"{side}_{name.decode()}" for name in handle.attrs["joint_names"]]
        rows = min(len(side["qpos"]) for side in sides)
        arrays = {key: np.concatenate([side[key][:rows] for side in sides], 1) for key in ("qpos", "action")}
        attributes: dict[str, object] = {"robot": "pair", "rate_hz": 20.0, "joint_names": names, "units": "rad"}
        if fault is not None:
            fault(index, arrays, attributes)
        write(folder, index, arrays, attributes)
    return folder


def write(folder: Path, index: int, arrays: Arrays, attributes: dict[str, object]) -> None:
    file = write_episode(folder, index, arrays["qpos"], **{k: v for k, v in arrays.items() if k != "qpos"})
    with h5py.File(file, "a") as handle:
        for key, value in attributes.items():
            handle.attrs[key] = value
