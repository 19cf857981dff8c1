"""Retargeting: episodes of other robots in the joints of a new one, by inverse kinematics of the tool's motion.

    q_old  →  m(q_old), the tool's motion in the frame that all robots share  →  q_new with m(q_new) = m(q_old)

Equal tool motion is what two robots share; joints are how each of them does it (ATE paper, arXiv 2509.02055, aligns
chunks without it). Half a batch of such episodes is the experience of the old robots, said in the new one's joints.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ate.data.episodes import Episode, Episodes
from ate.data.ledger import Entry, Ledger
from ate.data.opening import opened
from ate.data.series import Series
from ate.errors import InputError
from ate.robots import GRIPPER
from ate.robots.frames import HALF_TURN, POSITION, TURN, Placement, rotation_of
from ate.robots.inverse import solve

Array = NDArray[np.float64]
# Rows that repeat the first pose until the posture has settled; they are not part of the episode.
SETTLING = 12
TOOL_POSITION = ("tool_x", "tool_y", "tool_z")
TOOL_ROTATION = ("tool_r11", "tool_r21", "tool_r31", "tool_r12", "tool_r22", "tool_r32")
TO_OBJECT = ("object_tool_x", "object_tool_y", "object_tool_z")


@dataclass(frozen=True)
class Bounds:
    """What an episode may miss and still be kept.

    Attributes:
        position: metres between the tool where it was and where the new robot has it, in any row.
        rotation: radians between them, in any row.
        jump: largest change of a joint from one row to the next, radians or metres.
    """

    position: float = 0.005
    rotation: float = float(np.deg2rad(3.0))
    jump: float = 0.5


def retarget(
    pretrain: Episodes | Sequence[Episodes],
    robot: str | Path | Placement,
    *,
    joint_names: Sequence[str] | None = None,
    placements: Mapping[str, Placement] | None = None,
    bounds: Bounds | None = None,
    symmetric: bool = True,
) -> Episodes:
    """Episodes of other robots in the joints of a new one.

    The tool moves as it did; the gripper's opening, scene, phase and task are copied. Columns of the state that hold
    the tool's pose (by their names, `tool_x` … `object_tool_z`) become those of the new robot's own tool. Attributes of
    kept episodes say where they are from (`retargeted_from`, a robot, `retargeted_file`, `retargeted_episode`) and how
    well they are followed (`residual_mm`, `residual_deg`, the largest of all rows, and `reached`, a share of rows).
    Episodes that the new robot cannot follow are left out, with the reason in the ledger.

    Args:
        pretrain: one set, or one a robot; fingers that their profile knows count as one `gripper`.
        robot: the new robot: a built-in one, a URDF or MJCF file, or where it stands with which tool.
        joint_names: columns to write, those of the adaptation data; None: the robot's own, then the gripper.
        placements: of the robots of the sets, by name; built-in robots are known.
        bounds: what an episode may miss.
        symmetric: the gripper looks the same after half a turn: episodes that cannot be followed otherwise try it.

    Returns:
        Episodes named `panda/episode_0003`, in the order of the sets, without those left out.

    Raises:
        InputError: a robot that is unknown, columns that are no joints of it, a set without a gripper column where one
            is to be written, sets of several rates, or no episode that the robot can follow.
    """
    sets = [opened(episodes) for episodes in ([pretrain] if isinstance(pretrain, Episodes) else pretrain)]
    target = robot if isinstance(robot, Placement) else Placement.of(robot)
    names = tuple(joint_names) if joint_names is not None else (*target.kinematics.joint_names, GRIPPER)
    known = dict(placements or {})
    _check(sets, names, target)
    items: list[Episode] = []
    entries: list[Entry] = []
    for episodes in sets:
        source = known[episodes.robot] if episodes.robot in known else Placement.of(episodes.robot)
        moves = _Moves(episodes, source, target, names, bounds or Bounds(), symmetric)
        for item, entry in moves.episodes():
            entries.append(entry)
            items += [] if item is None else [item]
    robots = ", ".join(dict.fromkeys(episodes.robot for episodes in sets))
    if not items:
        raise InputError(
            f"{len(entries)} episodes, none within bounds; the first: {entries[0].reason}",
            where=f"retargeting {robots} to {target.kinematics.name}",
            expected="episodes that the robot can follow",
            fix="say where both bases stand (--base and --base-pretrain, or base in a profile) and how the tools are "
            "turned (turn), or widen the bounds",
        )
    evidence = f"tool motion of {robots}, in joints of {target.kinematics.name} by inverse kinematics"
    first = sets[0]
    return Episodes(
        tuple(items), first.source, target.kinematics.name, names, first.rate_hz, first.task,
        Ledger("retargeted", evidence, tuple(entries)),
    )  # fmt: skip


def residual_rows(episodes: Episodes) -> list[dict[str, Any]]:
    """One row an episode of a retargeted set, for a table: residuals, share of rows reached, and why it was left out.

    `millimetres` and `degrees` are the largest of all rows.
    """
    kept = {item.name: item.attributes for item in episodes}
    rows = []
    for entry in episodes.ledger.entries:
        residual = kept.get(entry.episode, {})
        rows.append(
            {
                "episode": entry.episode,
                "rows": entry.steps,
                "millimetres": residual.get("residual_mm", ""),
                "degrees": residual.get("residual_deg", ""),
                "reached": residual.get("reached", ""),
                "kept": entry.kept,
                "reason": entry.reason,
            }
        )
    return rows


def _check(sets: Sequence[Episodes], names: tuple[str, ...], target: Placement) -> None:
    arm = target.kinematics.joint_names
    if sorted(set(names) - {GRIPPER}) != sorted(arm):
        raise InputError(
            f"columns {', '.join(names)}",
            where=f"retargeting to {target.kinematics.name}",
            expected=f"its joints {', '.join(arm)}, and {GRIPPER!r} where it has a gripper",
            fix="name the columns as the robot's kinematics do, by a profile or in the file",
        )
    for episodes in sets:
        if GRIPPER in names and GRIPPER not in episodes.joint_names:
            raise InputError(
                f"columns {', '.join(episodes.joint_names)}",
                where=f"retargeting {episodes.robot}",
                expected=f"a column {GRIPPER!r}, whose opening is copied",
                fix="name the gripper's column by a profile, or leave it out of joint_names",
            )
    rates = sorted({str(episodes.rate_hz) for episodes in sets})
    if len(rates) != 1:
        raise InputError(
            f"rates of {' and '.join(rates)} Hz", where="sets to retarget", expected="one rate",
            fix="retarget each rate on its own, or resample the recordings: ate convert --rate",
        )  # fmt: skip


@dataclass(frozen=True, eq=False)
class _Followed:
    """Joints `(T, n)` that follow one episode, and what they miss."""

    q: Array
    position: Array
    rotation: Array

    def jump(self) -> float:
        return float(np.abs(np.diff(self.q, axis=0)).max(initial=0.0))

    def reason(self, bounds: Bounds) -> str:
        """Why the episode is left out; empty where it is not."""
        reached = (self.position <= bounds.position) & (self.rotation <= bounds.rotation)
        if not reached.all():
            row = int(np.argmin(reached))
            missed = f"{1000 * self.position[row]:.1f} mm and {np.rad2deg(self.rotation[row]):.1f}° off"
            return f"row {row + 1} of {len(reached)} is {missed}; {reached.mean():.1%} of its rows are reached"
        jump = self.jump()
        return f"a joint jumps by {jump:.2f} between two rows" if jump > bounds.jump else ""


@dataclass(frozen=True, eq=False)
class _Moves:
    """One set on its way to another robot."""

    set: Episodes
    source: Placement
    target: Placement
    names: tuple[str, ...]
    bounds: Bounds
    symmetric: bool

    def episodes(self) -> list[tuple[Episode | None, Entry]]:
        """Each episode in the new robot's joints, None where it is left out, with its line of the ledger."""
        followed = {name: self._followed(name) for name in dict.fromkeys(("qpos", self.set.source))}
        made: list[tuple[Episode | None, Entry]] = []
        for i, item in enumerate(self.set):
            own = {name: paths[i] for name, paths in followed.items()}
            reason = next(filter(None, (path.reason(self.bounds) for path in own.values())), "")
            name = f"{self.set.robot}/{item.name}"
            entry = Entry(str(item.path), name, len(item), len(self.names), not reason, reason, item.keys)
            made.append((None if reason else self._episode(item, name, own), entry))
        return made

    def _followed(self, series: str) -> list[_Followed]:
        """What the new robot does for every episode; in the other half turn where only that can be followed."""
        paths = [self._rows(item.read(series)) for item in self.set]
        first = self._follow(paths)
        failed = [i for i, path in enumerate(first) if path.reason(self.bounds)]
        if not failed or not self.symmetric:
            return first
        turned = replace(self.target, tool=self.target.tool @ HALF_TURN)
        for i, path in zip(failed, self._follow([paths[i] for i in failed], turned), strict=True):
            if not path.reason(self.bounds):
                first[i] = path
        return first

    def _rows(self, values: np.ndarray) -> Array:
        """Tool motion `(T, 10)` of joints `(T, dof)`."""
        columns = self.set.joint_names
        missing = [name for name in self.source.kinematics.joint_names if name not in columns]
        if missing:
            raise InputError(
                f"columns {', '.join(columns)}",
                where=f"retargeting {self.set.robot}",
                expected=f"a column for every joint that moves the tool; {', '.join(missing)} not among them",
                fix="name the columns as the robot's kinematics do, in the file or by a profile",
            )
        arm = [columns.index(name) for name in self.source.kinematics.joint_names]
        opening = values[:, columns.index(GRIPPER)] if GRIPPER in columns else np.ones(len(values))
        return self.source.rows(values[:, arm].astype(float), opening.astype(float))

    def _follow(self, paths: Sequence[Array], target: Placement | None = None) -> list[_Followed]:
        """All paths at once, each held at its end until the longest is done, from a settled posture at its start."""
        target, longest = target or self.target, max(len(path) for path in paths)
        rows = np.stack([np.pad(path, ((SETTLING, longest - len(path)), (0, 0)), "edge") for path in paths])
        kinematics = target.kinematics
        begin = target.own(rows[:, 0, POSITION], rotation_of(rows[:, 0, TURN]))
        start = solve(kinematics, *begin, kinematics.rest)
        # The first rows have no row before them: no speed limit until the posture has settled.
        settled, _ = target.follow(rows[:, :SETTLING], start)
        period = None if self.set.rate_hz is None else 1.0 / self.set.rate_hz
        q, missed = target.follow(rows[:, SETTLING:], settled[:, -1], period)
        return [
            _Followed(q[i, :n], missed.position[i, :n], missed.rotation[i, :n])
            for i, n in enumerate(len(path) for path in paths)
        ]

    def _episode(self, item: Episode, name: str, followed: Mapping[str, _Followed]) -> Episode:
        series = {key: Series.of(self._joints(item.read(key), path), name) for key, path in followed.items()}
        qpos = followed["qpos"]
        if item.has("state"):
            series["state"] = Series.of(self._state(item, qpos.q), name)
        if item.has("phase"):
            series["phase"] = item.series["phase"]
        reached = (qpos.position <= self.bounds.position) & (qpos.rotation <= self.bounds.rotation)
        kept = {key: value for key, value in item.attributes.items() if key not in ("action_names", "origin")}
        attributes = {
            **kept,
            "robot": self.target.kinematics.name,
            "joint_names": self.names,
            "retargeted_from": self.set.robot,
            "retargeted_file": str(item.path),
            "retargeted_episode": item.name,
            "residual_mm": round(1000 * float(qpos.position.max()), 4),
            "residual_deg": round(float(np.rad2deg(qpos.rotation.max())), 4),
            "reached": float(reached.mean()),
        }
        return Episode(name, item.path, series, attributes, item.keys)

    def _joints(self, values: np.ndarray, path: _Followed) -> NDArray[np.float32]:
        out = np.empty((len(values), len(self.names)), np.float32)
        out[:, [self.names.index(name) for name in self.target.kinematics.joint_names]] = path.q
        if GRIPPER in self.names:
            out[:, self.names.index(GRIPPER)] = values[:, self.set.joint_names.index(GRIPPER)]
        return out

    def _state(self, item: Episode, q: Array) -> NDArray[np.float32]:
        """The state with the tool columns that the new robot would have recorded, of its own tool frame."""
        state, columns = np.array(item.read("state"), np.float32), item.column_names("state")
        position, rotation = replace(self.target, tool=np.eye(4)).forward(q)
        before = state.copy()
        moved = {TOOL_POSITION: position, TOOL_ROTATION: np.concatenate([rotation[..., 0], rotation[..., 1]], -1)}
        for names, values in moved.items():
            if set(names) <= set(columns):
                state[:, [columns.index(name) for name in names]] = values
        if set(TO_OBJECT) | set(TOOL_POSITION) <= set(columns):
            tool, offset = ([columns.index(name) for name in names] for names in (TOOL_POSITION, TO_OBJECT))
            state[:, offset] = before[:, offset] + before[:, tool] - state[:, tool]
        return state
