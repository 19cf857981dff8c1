"""Time and peak memory of indexing 10⁷ steps, and of the doctor, each in a process of its own: `make bench`.

Absolute seconds, so read them beside the machine; everything else in this folder is a ratio.
"""

import json
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np

STEPS, WIDTH = 10_000_000, 14


def lerobot(folder: Path) -> None:
    """LeRobot v3: 33,334 episodes in one parquet file, its rows written in groups."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    count, length = 33_334, 300
    names = [f"joint_{i}" for i in range(WIDTH)]
    feature = {"dtype": "float32", "shape": [WIDTH], "names": names}
    meta = folder / "meta"
    (meta / "episodes" / "chunk-000").mkdir(parents=True)
    (folder / "data" / "chunk-000").mkdir(parents=True)
    (meta / "info.json").write_text(
        json.dumps(
            {
                "codebase_version": "v3.0", "robot_type": "bench", "total_episodes": count, "fps": 30,
                "total_frames": count * length, "features": {"observation.state": feature, "action": feature},
                "data_path": "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet",
            }
        )
    )  # fmt: skip
    starts = np.arange(count) * length
    episodes = {
        "episode_index": np.arange(count), "length": np.full(count, length), "dataset_from_index": starts,
        "dataset_to_index": starts + length, "data/chunk_index": np.zeros(count, int),
        "data/file_index": np.zeros(count, int),
    }  # fmt: skip
    pq.write_table(pa.table(episodes), meta / "episodes" / "chunk-000" / "file-000.parquet")
    values = pa.FixedSizeListArray.from_arrays(pa.array(np.zeros(10_000 * WIDTH, np.float32)), WIDTH)
    part = pa.table({"observation.state": values, "action": values})
    with pq.ParquetWriter(folder / "data" / "chunk-000" / "file-000.parquet", part.schema) as writer:
        left = count * length
        while left > 0:
            writer.write_table(part.slice(0, min(left, len(part))))
            left -= len(part)


def robomimic(folder: Path) -> None:
    """One HDF5 file of 33,334 demonstrations."""
    folder.mkdir()
    rows = np.zeros((300, WIDTH), np.float32)
    with h5py.File(folder / "demo.hdf5", "w") as handle:
        for i in range(33_334):
            handle[f"data/demo_{i}/actions"] = rows
            handle[f"data/demo_{i}/obs/robot0_joint_pos"] = rows


def native(folder: Path) -> None:
    """1,000 files of 10,000 steps."""
    folder.mkdir()
    rows = np.zeros((STEPS // 1000, WIDTH), np.float32)
    for i in range(1000):
        with h5py.File(folder / f"episode_{i:04d}.hdf5", "w") as handle:
            handle["qpos"] = rows


def walks(folder: Path) -> None:
    """1,000 native episodes of 300 steps, smooth random walks in radians, with actions that lead by a step."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    for i in range(1000):
        steps = 0.01 * rng.normal(size=(301, WIDTH)).cumsum(0)
        qpos = steps.cumsum(0) / 20
        with h5py.File(folder / f"episode_{i:04d}.hdf5", "w") as handle:
            handle["qpos"], handle["action"] = qpos[:-1].astype("f4"), qpos[1:].astype("f4")
            handle.attrs["rate_hz"] = 20.0


def index(folder: Path) -> int:
    """Index a set; returns its steps."""
    from ate.data import load

    return int(load(folder).lengths.sum())


def doctor(folder: Path) -> int:
    """Examine a set; returns its findings."""
    from ate.data.doctor import examine

    return len(examine(folder).findings)


def measured(work: Callable[[Path], int], folder: Path) -> dict[str, float]:
    """Seconds by clock and CPU, and growth of peak memory in MiB, of `work` in a new process, imports not counted."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        return pool.apply(_measure, (work, folder))


def _measure(work: Callable[[Path], int], folder: Path) -> dict[str, float]:

    import pyarrow.parquet  # noqa: F401

    import ate.data.doctor.examination  # noqa: F401

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began, busy = time.perf_counter(), time.process_time()
    result = work(folder)
    seconds, cpu = time.perf_counter() - began, time.process_time() - busy
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    return {"result": result, "seconds": round(seconds, 2), "cpu_seconds": round(cpu, 2), "peak_mib": round(grown, 1)}


def main() -> None:
    """Measure and print one JSON object."""
    results = {}
    with tempfile.TemporaryDirectory() as scratch:
        for make in (lerobot, robomimic, native):
            folder = Path(scratch) / make.__name__
            make(folder)
            results[f"index 10^7 steps, {make.__name__}"] = measured(index, folder)
        walks(Path(scratch) / "walks")
        results["doctor, 1,000 episodes x 300 steps x 14"] = measured(doctor, Path(scratch) / "walks")
    print(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
