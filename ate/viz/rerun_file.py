"""Episodes and rollouts as files for the rerun viewer (rerun.io): a moving arm in 3-D, joints over time, pictures.

    /arm, /tool            the arm as a line through its joints, and the path of the tool so far, metres, base frame
    /object, /goal         of a task of `ate.sim`, in the same frame
    /qpos/<joint>          radians (gripper: opening 0 to 1), and /action/<joint> where commands were recorded
    /film                  pictures, where they can be drawn

One file an episode, on the timelines `seconds` and `step`. Needs rerun-sdk, `pip install -e '.[rerun]'`. Nothing is
sent anywhere: the viewer opens the files, `rerun FOLDER/*.rrd`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ate.data.episodes import Episodes
from ate.errors import InputError, install
from ate.robots.kinematic_table import ROBOTS
from ate.robots.kinematics import Kinematics
from ate.robots.posture import points
from ate.sim.tasks import GOAL, OBJECT, RATE_HZ, TASKS
from ate.viz.figures.footage import drawn_arm, episode_pictures, rollout_pictures

if TYPE_CHECKING:
    from ate.sim.rollout import Rollouts, Tracks

INK, TRAIL, THING, MARK = (70, 80, 95), (0, 114, 178), (215, 35, 40), (25, 170, 70)
# Radii in metres.
THICK, THIN = 0.025, 0.003


def sdk() -> Any:
    """The module rerun.

    Raises:
        InputError: rerun-sdk is not installed.
    """
    try:
        import rerun
    except ImportError as error:
        raise InputError("no module named rerun", where="file for the rerun viewer", expected="rerun-sdk",
                         fix=install("rerun")) from error  # fmt: skip
    return rerun


@dataclass(frozen=True, eq=False)
class Part:
    """One recording.

    Attributes:
        name: of the file.
        series: `qpos`, maybe `action`, (n, dof).
        state: (n, 20) of a task of `ate.sim`, or None.
        pictures: (n, height, width, 3), or None.
    """

    name: str
    series: Mapping[str, NDArray[Any]]
    state: NDArray[Any] | None
    pictures: NDArray[np.uint8] | None


def write_episodes(episodes: Episodes, which: Sequence[int], folder: Path, pictures: bool = True) -> list[Path]:
    """Write recorded episodes.

    Args:
        episodes: a set.
        which: of its episodes.
        folder: what the files are written into, `episode_0000.rrd` and so on.
        pictures: draw them, where this machine can and the kinematics of the robot are known.

    Raises:
        InputError: rerun-sdk is not installed.
    """
    rate = episodes.rate_hz or RATE_HZ
    parts = (_recorded(episodes, index, pictures) for index in which)
    return _write(folder, f"ate-{episodes.robot}", episodes.joint_names, rate, drawn_arm(episodes), parts)


def _recorded(episodes: Episodes, index: int, pictures: bool) -> Part:
    item = episodes[index]
    state = item.read("state") if episodes.task in TASKS and item.has("state") else None
    series = {"qpos": item.qpos}
    if item.has("action") and item.series["action"].shape == item.qpos.shape:
        series["action"] = item.read("action")
    seen = _seen(partial(episode_pictures, episodes, index)) if pictures else None
    return Part(item.name, series, state, seen)


def write_rollouts(rollouts: "Rollouts", which: Sequence[int], folder: Path, pictures: bool = True) -> list[Path]:
    """Write recorded rollouts (`record=True`), `start_0000_fails.rrd` and so on; arguments and errors as episodes'."""
    tracks = rollouts.tracks
    if tracks is None:
        raise InputError("rollouts without tracks", where="files for the rerun viewer", expected="recorded rollouts",
                         fix="pass record=True")  # fmt: skip
    known = ROBOTS.get(rollouts.robot)
    if known is not None and known.dof != tracks.qpos.shape[-1]:
        known = None
    names = known.joint_names if known else [f"column_{i}" for i in range(tracks.qpos.shape[-1])]
    arm = Kinematics.of(known) if known else None
    parts = (_rolled_out(rollouts, tracks, index, pictures) for index in which)
    return _write(folder, f"ate-{rollouts.robot}", names, RATE_HZ, arm, parts)


def _rolled_out(rollouts: "Rollouts", tracks: "Tracks", index: int, pictures: bool) -> Part:
    rows = slice(0, int(rollouts.steps[index]) + 1)
    name = f"start_{int(rollouts.seeds[index]):04d}_{'succeeds' if rollouts.success[index] else 'fails'}"
    state = None if tracks.state is None else tracks.state[index, rows]
    seen = _seen(partial(rollout_pictures, rollouts, index)) if pictures else None
    return Part(name, {"qpos": tracks.qpos[index, rows]}, state, seen)


def _seen(draw: Callable[[], NDArray[np.uint8]]) -> NDArray[np.uint8] | None:
    """Pictures; None where they cannot be drawn, as the file is of use without."""
    try:
        return draw()
    except InputError:
        return None


def _write(folder: Path, title: str, names: Sequence[str], rate: float, arm: Kinematics | None,
           parts: Iterable[Part]) -> list[Path]:  # fmt: skip
    """One file a part. Parts are made one after the other: the pictures of a set would not fit into memory."""
    rerun = sdk()
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for part in parts:
        file = folder / f"{part.name}.rrd"
        stream = rerun.RecordingStream(title, recording_id=f"{title}, {part.name}")
        stream.save(file)
        stream.send_recording_name(part.name)
        for series, values in part.series.items():
            times = _times(rerun, len(values), rate)
            for name, column in zip(names, values.T, strict=True):
                stream.send_columns(f"{series}/{name}", times, rerun.Scalars.columns(scalars=column))
        if arm is not None:
            _scene(rerun, stream, arm, part, rate)
        for i, picture in enumerate(() if part.pictures is None else part.pictures):
            _at(stream, i, rate)
            stream.log("film", rerun.Image(picture).compress(90))
        stream.flush()
        files.append(file)
    return files


def _scene(rerun: Any, stream: Any, arm: Kinematics, part: Part, rate: float) -> None:
    """The arm, the tool's path so far, and what a task's state says of object and goal, in the frame of the base."""
    qpos = np.asarray(part.series["qpos"], float)[:, : arm.joints]
    spots = points(arm, qpos)
    known = ROBOTS.get(arm.name)
    base = np.zeros(3) if known is None else known.base
    stream.log("/", rerun.ViewCoordinates.RIGHT_HAND_Z_UP, static=True)
    for i, row in enumerate(spots):
        _at(stream, i, rate)
        track = np.concatenate([np.zeros((1, 3)), row])
        stream.log("arm", rerun.LineStrips3D([track], radii=THICK, colors=[INK]))
        stream.log("tool", rerun.LineStrips3D([spots[: i + 1, -1]], radii=THIN, colors=[TRAIL]))
        if part.state is not None:
            for name, place, color in (("object", OBJECT, THING), ("goal", GOAL, MARK)):
                at = np.asarray(part.state[i, place], float) - base
                stream.log(name, rerun.Points3D([at], radii=0.02, colors=[color]))


def _at(stream: Any, step: int, rate: float) -> None:
    stream.set_time("step", sequence=step)
    stream.set_time("seconds", duration=step / rate)


def _times(rerun: Any, count: int, rate: float) -> list[Any]:
    steps = np.arange(count)
    return [rerun.TimeColumn("step", sequence=steps), rerun.TimeColumn("seconds", duration=steps / rate)]
