"""Demonstrations of the expert as files: record them, make the shipped sets, and verify that they can be replayed.

One HDF5 file an episode, in the native layout (see data/README.md):

    qpos (n, dof)   measured joint positions, radians, and measured gripper opening in [0, 1] (1 = open)
    action (n, dof) absolute joint targets and gripper target that were sent *after* observation row t
    state (n, 20)   what a policy observes, table frame, metres
    ee_pose (n, 7)  tool position, metres, and quaternion wxyz in the frame of the robot's base
    phase (n,)      the expert's phase

Recording is deterministic: the same call on the same machine and versions writes the same bytes.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import h5py
import joblib
import numpy as np
from numpy.typing import NDArray

from ate.errors import InputError
from ate.robots.chain import pose, quaternion
from ate.robots.engine import engine
from ate.robots.kinematic_table import ROBOTS, robot
from ate.runs.files import file_digest, write_json
from ate.sim.environments import Environments
from ate.sim.expert import PHASE_NAMES, Expert
from ate.sim.tasks import RATE_HZ, STATE_NAMES, TASKS, task

Floats = NDArray[np.float32]
PRETRAIN = ("panda", "sawyer", "iiwa14", "xarm7", "xarm6")
ADAPT = ("ur5e", "gen3")
SETS = {"pretrain": (PRETRAIN, 100), "adapt": (ADAPT, 50)}
"""Shipped sets: robots and episodes a task."""
AFTER = 4
"""Control steps recorded after the first success, so that a replay that lags behind still gets there."""


@dataclass(frozen=True, eq=False)
class Demo:
    """One expert episode of n control steps; arrays as in the module's table."""

    seed: int
    success: bool
    qpos: Floats
    action: Floats
    state: Floats
    phase: NDArray[np.int8]


@dataclass(frozen=True)
class Verified:
    """Successes, out of `seeds`, of the expert, of its replayed commands and of its replayed measured positions."""

    robot: str
    task: str
    seeds: int
    expert: int
    replay: int
    measured: int


def demonstrate(robot_name: str, task_name: str, seeds: Sequence[int], threads: int | None = None) -> list[Demo]:
    """Run the expert from every seed; an episode ends `AFTER` steps after its success, or at the task's limit."""
    limit = task(task_name).steps
    rows: list[tuple[Floats, Floats, Floats, NDArray[np.int8]]] = []
    with Environments(robot_name, task_name, seeds, threads=threads) as environments:
        expert = Expert(robot_name, task_name, seeds)
        while len(rows) < limit and environments.active.any():
            qpos, state = environments.observe()
            target, phase = expert.act(qpos, state)
            action = target.astype(np.float32)
            environments.step(action)
            rows.append((qpos, action, state, phase))
            environments.active &= ~(environments.success & (len(rows) >= environments.steps + AFTER))
        qpos, action, state, phase = (np.stack(parts, axis=1) for parts in zip(*rows, strict=True))
        success = environments.success
        lengths = np.where(success, np.minimum(environments.steps + AFTER, len(rows)), len(rows))
        return [
            Demo(seed, bool(success[i]), qpos[i, :n], action[i, :n], state[i, :n], phase[i, :n])
            for i, (seed, n) in enumerate(zip(environments.seeds, lengths, strict=True))
        ]


def replay(robot_name: str, task_name: str, demos: Sequence[Demo], measured: bool, threads: int | None = None) -> int:
    """Number of episodes that succeed again when their commands, or their measured positions, are sent open loop.

    In a measured replay the command at step t is the whole measured row `qpos[t + 1]`, arm and gripper. The last
    command is held until the task's limit.
    """
    seeds, series = [demo.seed for demo in demos], [demo.qpos[1:] if measured else demo.action for demo in demos]
    with Environments(robot_name, task_name, seeds, threads=threads, freeze_successes=True) as environments:
        for t in range(environments.task.steps):
            environments.step(np.stack([rows[min(t, len(rows) - 1)] for rows in series]))
        return int(environments.success.sum())


def _verify_one(robot_name: str, task_name: str, seeds: int, threads: int | None) -> Verified:
    demos = demonstrate(robot_name, task_name, range(seeds), threads)
    counts = [replay(robot_name, task_name, demos, measured, threads) for measured in (False, True)]
    return Verified(robot_name, task_name, seeds, sum(demo.success for demo in demos), *counts)


def verify(
    robots: Sequence[str] = tuple(ROBOTS), tasks: Sequence[str] = tuple(TASKS), seeds: int = 50, processes: int = 1
) -> list[Verified]:
    """Expert and replay successes of every robot × task over seeds 0..seeds-1; unknown names raise `InputError`."""
    pairs = [(robot(name).name, task(task_name).name) for task_name in tasks for name in robots]
    threads = 1 if processes > 1 else None
    jobs = (joblib.delayed(_verify_one)(*pair, seeds, threads) for pair in pairs)
    return list(joblib.Parallel(n_jobs=processes)(jobs))


def first_seed(robot_name: str, seed: int) -> int:
    """Seed of the first recorded episode: a million or more, so that no evaluation seed was demonstrated."""
    return 1_000_000 * (1 + seed) + 10_000 * list(ROBOTS).index(robot_name)


def record(
    out: str | Path, robot_name: str, task_name: str, episodes: int, seed: int = 0, threads: int | None = None
) -> Path:
    """Record successful expert episodes into the folder `out`, with a manifest that counts the failed ones.

    Args:
        out: a folder that is empty or does not exist; it appears once it is complete.
        robot_name, task_name: rows of the tables.
        episodes: number to record, 1 to 5000.
        seed: of the set, 0 or more.
        threads: C threads of the simulator; does not change the files.

    Raises:
        InputError: unknown names, a number of episodes out of range, or `out` is not empty.
    """
    folder = Path(out)
    robot(robot_name), task(task_name)
    if not 1 <= episodes <= 5000 or seed < 0:
        got = f"episodes={episodes}, seed={seed}"
        raise InputError(got, where="record", expected="1 to 5000 episodes, a seed >= 0", fix="choose again")
    _refuse_existing(folder)
    kept: list[Demo] = []
    failed: list[int] = []
    following = first_seed(robot_name, seed)
    while len(kept) < episodes:
        if len(failed) > 20 + episodes:
            raise RuntimeError(f"the expert failed {len(failed)} times at {task_name} with {robot_name}")
        batch = range(following, following + episodes - len(kept))
        following = batch.stop
        demos = demonstrate(robot_name, task_name, batch, threads)
        kept += [demo for demo in demos if demo.success]
        failed += [demo.seed for demo in demos if not demo.success]
    folder.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent, ignore_cleanup_errors=True) as temporary:
        for i, demo in enumerate(kept):
            _write(Path(temporary, f"episode_{i:04d}.hdf5"), robot_name, task_name, demo)
        manifest = {
            "robot": robot_name,
            "task": task_name,
            "seed": seed,
            "episodes": len(kept),
            "attempts": len(kept) + len(failed),
            "failed_seeds": failed,
            "mujoco": engine().__version__,
        }
        write_json(Path(temporary, "manifest.json"), manifest)
        os.chmod(temporary, 0o755)
        if folder.exists():
            folder.rmdir()
        os.replace(temporary, folder)
    return folder


def _refuse_existing(folder: Path) -> None:
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        fix = "name another one or move it away"
        raise InputError("something already there", where=str(folder), expected="a new or empty folder", fix=fix)


def _create(path: Path) -> h5py.File:
    """A new HDF5 file with small headers: newest layout, attributes kept in the object header."""
    creation = h5py.h5p.create(h5py.h5p.FILE_CREATE)
    creation.set_attr_phase_change(64, 0)
    creation.set_obj_track_times(False)  # same recording, same bytes
    access = h5py.h5p.create(h5py.h5p.FILE_ACCESS)
    access.set_libver_bounds(h5py.h5f.LIBVER_LATEST, h5py.h5f.LIBVER_LATEST)
    access.set_fclose_degree(h5py.h5f.CLOSE_STRONG)
    return h5py.File(h5py.h5f.create(os.fsencode(path), h5py.h5f.ACC_EXCL, creation, access))


def _write(path: Path, robot_name: str, task_name: str, demo: Demo) -> None:
    """One episode; texts are fixed-length byte strings, which makes a file 4 kB smaller than variable-length ones."""
    position, matrix = pose(robot(robot_name), np.asarray(demo.qpos, float)[:, :-1])
    turn = quaternion(matrix)
    # q and −q are the same rotation: start with the largest component positive, then never jump.
    signs = np.sign((turn[1:] * turn[:-1]).sum(axis=1))
    turn[1:] *= np.cumprod(signs)[:, None]
    turn *= np.sign(turn[0, np.argmax(np.abs(turn[0]))])
    names = {"joint_names": robot(robot_name).joint_names, "phase_names": PHASE_NAMES, "state_names": STATE_NAMES}
    texts = {"robot": robot_name, "task": task_name, "units": "rad", **names}
    with _create(path) as file:
        file["qpos"] = demo.qpos
        file["action"] = demo.action
        file["state"] = demo.state
        file["ee_pose"] = np.concatenate([position, turn], axis=1).astype(np.float32)
        file["phase"] = demo.phase
        for key, values in texts.items():
            file.attrs[key] = np.array(values, dtype="S")
        file.attrs["seed"] = demo.seed
        file.attrs["rate_hz"] = RATE_HZ
        file.attrs["success"] = demo.success


def record_all(out: str | Path, processes: int | None = None) -> Path:
    """Record every shipped set into `out`/<task>/<pretrain|adapt>/<robot> and write `out`/SHA256SUMS.

    Raises:
        InputError: one of the folders is already there and not empty.
    """
    root = Path(out)
    jobs = [
        (root / task_name / role / name, name, task_name, count, 0, 1)
        for task_name in TASKS
        for role, (names, count) in SETS.items()
        for name in names
    ]
    for folder, *_ in jobs:
        _refuse_existing(folder)
    joblib.Parallel(n_jobs=processes or -1)(joblib.delayed(record)(*job) for job in jobs)
    write_checksums(root)
    return root


def write_checksums(root: Path) -> Path:
    """Write `root`/SHA256SUMS over every recorded file below it, in the format of `sha256sum -c`."""
    files = sorted(p for p in root.rglob("*") if p.suffix in (".hdf5", ".json") and p.is_file())
    lines = [f"{file_digest(p)}  {p.relative_to(root).as_posix()}\n" for p in files]
    target = root / "SHA256SUMS"
    target.write_text("".join(lines))
    return target
