"""Headings: what the name of a recorded column says that it is: a position, a command, a velocity, a force, a clock.

Names are those of UR's RTDE, libfranka's logs, ROS (`/joint_states`, `wrench`), LeRobot, D4RL and tables by hand.
"""

import re
from dataclasses import dataclass

from ate.robots.profile import bare

POSITION, COMMAND, POSE = "position", "command", "pose of a tool"
VELOCITY, ACCELERATION, FORCE = "velocity", "acceleration", "force or current"
TEMPERATURE, STATE, CLOCK, STEP, EPISODE, END, TEXT = (
    "temperature", "state of the controller", "clock", "number of a step", "number of an episode", "end of an episode",
    "text",
)  # fmt: skip
# Kinds that are never positions of joints, whatever else a set holds.
NO_JOINTS = (VELOCITY, ACCELERATION, FORCE, TEMPERATURE, STATE, CLOCK, STEP, EPISODE, END, TEXT)

# Whole names, without case and with `_` for what stands between words.
_WHOLE = {
    EPISODE: {"episode", "episode_index", "episode_id", "episode_idx", "episode_number", "episode_no", "ep", "ep_id",
              "traj", "traj_id", "traj_index", "trajectory", "trajectory_id", "demo", "demo_id", "demo_index",
              "demonstration", "rollout", "rollout_id", "take", "take_id"},
    STEP: {"step", "steps", "step_index", "step_id", "frame", "frame_index", "frame_id", "index", "idx", "row",
           "sample", "timestep", "time_step", "seq", "header_seq", "task_index", "unnamed_0", "n", "tick"},
    CLOCK: {"t", "time", "times", "timestamp", "timestamps", "stamp", "clock", "elapsed", "epoch", "sec", "secs",
            "nsec", "nsecs", "nanosec", "ms", "datetime", "date", "rostime", "ros_time", "elapsed_time", "time_stamp"},
    END: {"done", "dones", "terminal", "terminals", "terminated", "truncated", "timeout", "timeouts", "is_last", "last",
          "next_done", "is_terminal", "end_of_episode", "episode_end", "end"},
    STATE: {"reward", "rewards", "next_reward", "success", "is_success", "task", "language_instruction", "instruction",
            "label", "phase", "comment", "note", "is_first", "first"},
    POSE: {"x", "y", "z", "rx", "ry", "rz", "qx", "qy", "qz", "qw", "roll", "pitch", "yaw", "pos_x", "pos_y", "pos_z",
           "axis_angle1", "axis_angle2", "axis_angle3"},
    FORCE: {"fx", "fy", "fz", "tx", "ty", "tz", "mx", "my", "mz"},
}  # fmt: skip
# Words within a name; the first kind that has one of them counts.
_WORDS = {
    CLOCK: {"timestamp", "nsec", "nsecs", "nanosec", "secs", "stamp"},
    ACCELERATION: {"acc", "accel", "acceleration", "accelerations", "qdd", "ddq", "qacc"},
    VELOCITY: {"vel", "vels", "velocity", "velocities", "qd", "dq", "qvel", "dtheta", "speed", "speeds", "omega",
               "twist"},
    FORCE: {"effort", "efforts", "torque", "torques", "tau", "force", "forces", "wrench", "current", "currents",
            "moment", "moments", "load", "voltage", "voltages", "pwm", "amps"},
    TEMPERATURE: {"temp", "temperature", "temperatures"},
    STATE: {"mode", "status", "safety", "scaling", "payload", "bits", "register", "digital", "analog", "battery",
            "error"},
    POSE: {"tcp", "pose", "ee", "eef", "cartesian", "quat", "quaternion", "orientation", "rotvec", "rpy", "euler"},
    COMMAND: {"cmd", "command", "commands", "commanded", "target", "targets", "desired", "des", "goal", "setpoint",
              "reference", "ref", "qdes", "qcmd", "qref"},
}  # fmt: skip
_FIRST = {"action", "actions", "leader", "master"}
_UNIT = {"s", "ms", "us", "ns", "sec", "seconds", "milliseconds", "start", "boot"}
_DIGITS = "0123456789"
_MEASURED = {"actual", "measured", "observed", "state", "obs", "observation", "follower"}
_POSITION = {"q", "pos", "position", "positions", "qpos", "joint", "joints"}


@dataclass(frozen=True)
class Heading:
    """One column.

    Attributes:
        name: its name.
        kind: one of the kinds of this file.
        of: the joint that it is about, without what says the kind; a command and a position of one joint agree in it.
    """

    name: str
    kind: str
    of: str


def heading(name: str) -> Heading:
    """What a column's name says that it is; a position where it says nothing else."""
    words = _words(name)
    whole = "_".join(words)
    kind = next((kind for kind, names in _WHOLE.items() if whole in names), "")
    if not kind and len(words) > 1 and words[0] in ("time", "t", "elapsed", "clock") and words[-1] in _UNIT:
        kind = CLOCK
    if len(words) > 1 and words[0] == "current" and words[1].rstrip(_DIGITS) in _POSITION:
        # Where the joint is now, no ampere.
        words = words[1:]
    if words[:2] == ["q", "d"]:
        # libfranka's desired positions.
        words = ["desired", "q", *words[2:]]
    # Numbers stand apart or not: dq_1, dq1.
    plain = {word.rstrip(_DIGITS) for word in words} | set(words)
    kind = kind or next((kind for kind, names in _WORDS.items() if names & plain), "")
    if not kind and len(words) > 1 and words[0] in _FIRST:
        kind = COMMAND
    return Heading(name, kind or POSITION, _joint(name, words))


def _words(name: str) -> list[str]:
    spaced = re.sub(r"([a-z])([A-Z])", r"\1 \2", name)
    return re.findall(r"[a-z0-9]+", spaced.lower())


def _joint(name: str, words: list[str]) -> str:
    """What is left of a name without words for command, measurement and position; of numbers alone, the number."""
    words_of_kind = _WORDS[COMMAND] | _FIRST | _MEASURED | _POSITION
    left = [word for word in words if word not in words_of_kind]
    return "_".join(left) or bare(name).casefold()
