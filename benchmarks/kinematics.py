"""Kinematics against truth: files, identification from five demonstrations, and when it is refused.

    python -m benchmarks.kinematics [FOLDER_OF_URDFS]

Files: every built-in table written as URDF and read back, and every URDF of a folder against a recursion over the
file's own origins. Identification: five demonstrations of a shipped set, tool poses from the table, exact or with
Gaussian noise of 0.5 mm an axis and 0.17° about each axis; errors in the postures by which the robot reaches the tool
poses of all pre-training robots, none of which it saw. Refusal: more noise, poses recorded some rows late, a joint in
degrees.
"""

import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from ate.data import load
from ate.data.tool_poses import needed_poses
from ate.errors import InputError
from ate.experiments.settings import SHIPPED
from ate.robots.identify import identify
from ate.robots.kinematic_table import ROBOTS
from ate.robots.kinematics import Kinematics
from ate.robots.model_file import read_model
from tests.robots.arms import exported, urdf_pose

DEMONSTRATIONS, DRAWS, MM = 5, 6, 1e3
METRES, RADIANS = 5e-4, np.radians(0.17)
NOISES = (0.5, 1, 2, 4, 8, 16, 32)
LATE = (1, 2, 4)


def files(folder: Path | None) -> Iterator[str]:
    worst = 0.0
    with tempfile.TemporaryDirectory() as work, warnings.catch_warnings():
        # Roll and yaw of a frame pitched by 90° are not unique; any pair is right.
        warnings.simplefilter("ignore", UserWarning)
        for name in ROBOTS:
            path = Path(work, f"{name}.urdf")
            path.write_text(exported(name))
            table, q = Kinematics.of(name), np.random.default_rng(0).uniform(-3, 3, (1000, Kinematics.of(name).joints))
            worst = max(worst, np.abs(Kinematics.of(path).forward(q)[0] - table.forward(q)[0]).max())
    yield f"{len(ROBOTS)} tables written as URDF and read back: at most {MM * worst:.1e} mm off"
    if folder is None:
        return
    read, refused, worst = 0, [], 0.0
    for path in sorted(folder.rglob("*.urdf")):
        try:
            model = read_model(path)
        except InputError as error:
            refused.append(f"{path.stem} ({error.got})")
            continue
        read += 1
        k, text = model.kinematics, path.read_text()
        for q in np.random.default_rng(0).uniform(-2, 2, (5, k.joints)):
            pose = urdf_pose(text, model.tool, dict(zip(k.joint_names, q, strict=True)))
            worst = max(worst, np.abs(pose[:3, 3] - k.forward(q)[0]).max())
    yield f"{read} URDFs of {folder} read: at most {MM * worst:.1e} mm off; not read: {', '.join(refused) or 'none'}"


def draw(name: str, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Joints of five demonstrations and the number of each row's."""
    episodes = load(SHIPPED / "lift" / "adapt" / name)
    chosen = np.random.default_rng(seed).choice(len(episodes), DEMONSTRATIONS, replace=False)
    rows = [episodes.series(int(i))[:, :-1].astype(float) for i in chosen]
    return np.concatenate(rows), np.repeat(np.arange(len(rows)), [len(r) for r in rows])


def noisy(position: np.ndarray, rotation: np.ndarray, times: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    turned = rotation @ Rotation.from_rotvec(generator.normal(0, times * RADIANS, position.shape)).as_matrix()
    return position + generator.normal(0, times * METRES, position.shape), turned


def identification(name: str, needed: tuple[np.ndarray, np.ndarray], postures: np.ndarray) -> Iterator[str]:
    truth = Kinematics.of(name)
    for times in (0.0, 1.0):
        rows = []
        for seed in range(DRAWS):
            q, episode = draw(name, seed)
            poses = noisy(*truth.forward(q), times, seed)
            began = time.perf_counter()
            found = identify(q, *poses, episode, needed)
            seconds = time.perf_counter() - began
            forward = np.linalg.norm(found.kinematics.forward(postures)[0] - truth.forward(postures)[0], axis=1)
            joints = found.kinematics.inverse(*needed, found.kinematics.rest)
            there = np.linalg.norm(truth.forward(joints)[0] - needed[0], axis=1)
            expected = np.sqrt(np.square(found.expected).mean())
            rows.append([MM * forward.mean(), MM * forward.max(), MM * there.mean(), MM * there.max(),
                         MM * found.held_out.max(), MM * expected, 100 * found.outside, seconds])  # fmt: skip
        low, high = np.min(rows, axis=0), np.max(rows, axis=0)
        cells = [f"{a:.2f}–{b:.2f}" for a, b in zip(low, high, strict=True)]
        yield "| " + " | ".join([name, "0.5 mm, 0.17°" if times else "none", *cells]) + " |"


def refusal(name: str) -> Iterator[str]:
    truth = Kinematics.of(name)
    q, episode = draw(name, 0)
    position, rotation = truth.forward(q)
    for mm in NOISES:
        yield f"{name}, noise {mm} mm, {0.34 * mm:.2g}°: {verdict(q, *noisy(position, rotation, mm / 0.5, 0), episode)}"
    for late in LATE:
        pairs = [np.flatnonzero(episode == i) for i in np.unique(episode)]
        before, after = (np.concatenate([p[s] for p in pairs]) for s in (slice(None, -late), slice(late, None)))
        outcome = verdict(q[after], position[before], rotation[before], episode[after])
        yield f"{name}, poses {50 * late} ms late: {outcome}"
    degrees = q.copy()
    degrees[:, 1] = np.degrees(degrees[:, 1])
    yield f"{name}, one joint in degrees: {verdict(degrees, position, rotation, episode)}"


def verdict(q: np.ndarray, position: np.ndarray, rotation: np.ndarray, episode: np.ndarray) -> str:
    try:
        found = identify(q, position, rotation, episode)
    except InputError as error:
        return f"refused, {error.got}"
    return f"{found.verdict}, {MM * found.error:.1f} mm"


def main(folder: Path | None = None) -> None:
    for line in files(folder):
        print(line, flush=True)
    columns = ("robot", "noise", "forward error, mm", "its maximum", "tool after inverse kinematics, mm", "its maximum",
               "worst demonstration left out, mm", "expected, mm", "% outside the seen ranges", "s")  # fmt: skip
    print(f"\n| {' | '.join(columns)} |\n{'|---' * len(columns)}|")
    for name in ("ur5e", "gen3"):
        parts = needed_poses(SHIPPED / "lift" / "pretrain", name)
        needed = np.concatenate([p for p, _ in parts]), np.concatenate([r for _, r in parts])
        some = np.linspace(0, len(needed[0]) - 1, 1500).astype(int)
        needed = needed[0][some], needed[1][some]
        truth = Kinematics.of(name)
        postures = truth.inverse(*needed, truth.rest)
        for line in identification(name, needed, postures):
            print(line, flush=True)
    print()
    for name in ("ur5e", "gen3"):
        for line in refusal(name):
            print(line, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
