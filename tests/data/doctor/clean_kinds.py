"""Clean sets of kinds that laboratories record, made of the shipped demonstrations by changes that keep them sound."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ate.data import DataSet
from tests.conftest import write_episode
from tests.data.doctor import clean_commands as commands
from tests.data.doctor import clean_motions as motions
from tests.data.doctor.demonstration import ARM, GEN3, UR5E, Demonstration, names_of, shipped


@dataclass(frozen=True)
class Kind:
    """What is changed of which set, the warnings that are right, the profile (its name or text), and the series."""

    change: Callable[[Demonstration], None]
    warns: frozenset[str] = frozenset()
    of: str = UR5E
    robot: str = ""
    profile: str = ""
    episodes: int = 16
    source: str = "qpos"


def write(folder: Path, kind: Kind) -> DataSet:
    """Write a set of the kind, and its profile if it has one of its own."""
    names = names_of(kind.of)
    for number, (qpos, action) in enumerate(shipped(kind.of)[: kind.episodes]):
        made = Demonstration(number, qpos.astype(np.float64), action.astype(np.float64), names)
        kind.change(made)
        series = {} if made.action is None else {"action": made.action.astype("f4")}
        named = {"joint_names": list(made.names)} if made.names else {}
        write_episode(
            folder, number, made.qpos.astype("f4"), rate_hz=made.rate_hz, robot="laboratory", **series, **named
        )
    robot = kind.robot
    if kind.profile:
        file = folder.parent / "laboratory.toml"
        file.write_text(kind.profile)
        robot = str(file)
    return DataSet(str(folder), source=kind.source, robot=robot)


def codes(*names: str) -> frozenset[str]:
    """A set of codes."""
    return frozenset(names)


LABORATORY = (
    """title = "A calibrated arm"
source = "its calibration"
joints = [
"""
    + "".join(
        f'    {{ name = "{name}", unit = "range", low = -3.2, high = 3.2, at_minus_100 = {low}, at_100 = {high} }},\n'
        for name, (low, high) in zip(ARM, motions.RANGES, strict=True)
    )
    + """    { name = "gripper", part = "gripper", unit = "fraction", closed = 0.0, open = 1.0 },
]
"""
)


# Joints that stand are left out of training, and it is for the operator to say whether they should.
STANDS = codes("constants.constant", "constants.padded", "constants.near")


# A joint of the tasks that hardly moves where episodes are few, short or close together.
WRIST = codes("constants.near")


WAITS = codes("stillness.idle", "duplicate_frames.repeated")


FINGERS = codes("gripper.metres", "relation.widths")


DELTA = codes("relation.delta", "relation.unrelated")


UNNAMED = codes("names.missing", "motion.clipped", "relation.scale")


KINDS = {
    "plain": Kind(motions.plain),
    "measured": Kind(motions.measured),
    "parked base": Kind(motions.parked_base, STANDS),
    "driving base": Kind(motions.driving_base, DELTA),
    "released": Kind(motions.released, WRIST | codes("gripper.starts_closed")),
    "two positions": Kind(motions.closes_once),
    "pauses": Kind(motions.paused),
    "frozen pauses": Kind(motions.frozen_pauses, WRIST | WAITS),
    "one joint": Kind(motions.single_joint, STANDS, robot="ur5e"),
    "one joint, simulated": Kind(motions.single_joint_simulated, STANDS | WAITS, robot="ur5e"),
    "one episode": Kind(motions.plain, WRIST | codes("relation.scale"), episodes=1),
    "two episodes": Kind(motions.plain, WRIST, episodes=2),
    "three episodes": Kind(motions.measured, WRIST, episodes=3),
    "one home": Kind(motions.homed, WAITS),
    "home at zero": Kind(motions.homed_at_zero, WAITS),
    "calibrated range": Kind(motions.normalised_declared, profile=LABORATORY),
    "minus and plus": Kind(commands.minus_and_plus, codes("gripper.command")),
    "closing command": Kind(commands.closing_command, codes("relation.opposite")),
    "closing command, profile": Kind(commands.closing_command, codes("relation.opposite"), robot="ur5e"),
    "fingers": Kind(commands.fingers, FINGERS),
    "short": Kind(motions.short, WRIST | codes("chunks.horizon_long")),
    "5 Hz": Kind(motions.five_hz),
    "500 Hz": Kind(motions.five_hundred_hz, WRIST, episodes=4),
    "keyframes": Kind(motions.keyframes, codes("chunks.horizon_long", "constants.noise", "relation.copy_ahead")),
    "parked arm": Kind(motions.parked_arm, STANDS),
    "parked arm, simulated": Kind(motions.parked_arm_simulated, STANDS),
    "parked arm, ALOHA": Kind(motions.parked_aloha, STANDS, robot="aloha"),
    "both arms": Kind(motions.both_arms),
    "delta": Kind(commands.delta, DELTA),
    "delta, profile": Kind(commands.delta, DELTA, robot="ur5e"),
    "delta with pauses": Kind(commands.delta_paused, WRIST | WAITS | DELTA),
    "delta trained on": Kind(commands.delta_paused, STANDS | WAITS | DELTA, source="action"),
    "velocities": Kind(commands.velocities, DELTA),
    "one goal": Kind(commands.one_goal, DELTA),
    "keys": Kind(commands.keys, DELTA | codes("gripper.command")),
    "operational space": Kind(commands.osc, FINGERS),
    "operational space, waiting": Kind(commands.osc_waiting, FINGERS | WAITS),
    "operational space trained on": Kind(commands.osc_waiting, STANDS | FINGERS | WAITS | UNNAMED, source="action"),
    "tool pose": Kind(motions.tool_pose, codes("names.pose", "constants.near", "relation.widths")),
    "unnamed": Kind(motions.unnamed, UNNAMED),
    "no commands": Kind(commands.without_commands),
    "narrow": Kind(motions.narrow, WRIST, robot="ur5e"),
    "positive": Kind(motions.positive, codes("units.shares")),
    "rounded": Kind(motions.rounded, WAITS | codes("constants.frozen_episodes")),
    "clipped": Kind(motions.clipped),
    "several tries": Kind(motions.several_tries, WAITS),
    "lingering": Kind(motions.lingering),
    "7 joints": Kind(motions.measured, of=GEN3, robot="gen3"),
    "continuous joints, unnamed": Kind(motions.unnamed, UNNAMED, of=GEN3),
}
