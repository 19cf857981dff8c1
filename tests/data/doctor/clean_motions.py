"""Changes of motion and of columns that keep demonstrations sound; each says what it would be recorded as."""

import numpy as np

from tests.data.doctor.demonstration import ARM, ENCODER, NAMES, UR5E, Demonstration, joined, resampled, shipped


def plain(d: Demonstration) -> None:
    """As shipped."""


def measured(d: Demonstration) -> None:
    """Positions as an encoder gives them."""
    d.qpos[:, :6] = np.round((d.qpos[:, :6] + ENCODER * d.rng.normal(size=d.qpos[:, :6].shape)) / ENCODER) * ENCODER


def parked_base(d: Demonstration) -> None:
    """A mobile manipulator that stands: base and head never move."""
    rows = np.ones((len(d.qpos), 1))
    joined(d, ("base_x", "base_y", "base_theta", "head_pan", "head_tilt"), rows * [0.0, 0.0, 0.0, 0.35, -0.6])


def driving_base(d: Demonstration) -> None:
    """A mobile manipulator that drives up for the first second."""
    t = np.minimum(np.arange(len(d.qpos)) / 20, 1)
    far = d.rng.normal(0.4, 0.1)
    places = np.stack([far * t, 0.1 * far * t**2, 0.2 * far * t], 1)
    joined(d, ("base_x", "base_y", "base_theta"), places, 20 * np.diff(places, axis=0, append=places[-1:]))


def released(d: Demonstration) -> None:
    """From the grasp on: the gripper holds, and opens once at the end."""
    held = int(np.argmax(d.qpos[:, 6] < 0.5)) + 5
    d.each(lambda x: resampled(x[held:], np.arange(0, len(x) - held - 1, 0.25)))
    _end(d, 6, 1.0)


def _end(d: Demonstration, column: int, value: float) -> None:
    """The gripper goes to a value within the last second, and its target at once."""
    start = max(len(d.qpos) - 12, 1)
    ramp = np.clip((np.arange(len(d.qpos)) - start - 1) / 6, 0, 1)
    d.qpos[:, column] += ramp * (value - d.qpos[:, column])
    if d.action is not None:
        d.action[start:, column] = value


def closes_once(d: Demonstration) -> None:
    """A gripper of two positions, as a switch gives it."""
    d.each(lambda x: np.hstack([x[:, :6], (x[:, 6:] > 0.5).astype(float)]))


def paused(d: Demonstration) -> None:
    """Slow teleoperation: at half the speed, and the operator thinks for three seconds, twice, and two at the start."""
    measured(d)
    places = np.arange(0, len(d.qpos) - 1, 0.5)
    for at in (0.6, 0.3, 0.0):
        row = int(at * len(places))
        places = np.insert(places, row, np.full(60 if row else 40, places[row]))
    action = d.action
    assert action is not None
    d.qpos, d.action = resampled(d.qpos, places), resampled(action, places)
    d.qpos[:, :6] += ENCODER * d.rng.normal(size=(len(places), 6))


def frozen_pauses(d: Demonstration) -> None:
    """The same with a simulator's pauses, in which every row equals the one before."""
    places = np.arange(0, len(d.qpos) - 1, 1.0)
    for at in (0.6, 0.3):
        row = int(at * len(places))
        places = np.insert(places, row, np.full(60, places[row]))
    d.each(lambda x: resampled(x, places))


def single_joint(d: Demonstration) -> None:
    """A knob is turned: the last wrist joint moves, the others are held and hum."""
    hold = np.array([0.3, -1.6, 1.8, -1.7, -1.5])
    assert d.action is not None
    d.qpos[:, :5], d.action[:, :5] = hold + 2e-4 * d.rng.normal(size=(len(d.qpos), 5)), hold
    d.each(lambda x: x[:, :6])
    d.names = ARM


def single_joint_simulated(d: Demonstration) -> None:
    """The same in a simulator that holds a joint exactly."""
    single_joint(d)
    assert d.action is not None
    d.qpos[:, :5] = d.action[:, :5]


def homed(d: Demonstration) -> None:
    """All episodes start at one home pose, exactly, and stand there for three quarters of a second."""
    home, action = shipped(UR5E)[0][0][0] + np.array([0.1, -0.2, 0.2, 0.1, 0.1, -0.1, 0.0]), d.action
    assert action is not None
    way = np.linspace(0, 1, 25)[1:, None] ** 2
    d.qpos = np.concatenate([np.repeat(home[None], 15, 0), home + way * (d.qpos[0] - home), d.qpos[1:]])
    d.action = np.concatenate([np.repeat(home[None], 13, 0), home + way * (action[0] - home), action[:1], action[:1],
                               action[1:]])  # fmt: skip


def homed_at_zero(d: Demonstration) -> None:
    """Joints count from home, as those of a robot whose zero is its home pose, and each episode ends there too."""
    home = shipped(UR5E)[0][0][0] + np.array([0.1, -0.2, 0.2, 0.1, 0.1, -0.1, 0.0])
    home[6] = 0.0
    homed(d)
    d.each(lambda x: x - home)


def normalised_declared(d: Demonstration) -> None:
    """LeRobot's −100…100 of a calibrated range, declared by a profile."""
    low, high = np.array(RANGES).T
    d.each(lambda x: np.hstack([np.clip((x[:, :6] - low) / (high - low) * 200 - 100, -100, 100), x[:, 6:]]))


RANGES = ((-1.6, 1.6), (-3.1, 0.6), (0.0, 3.1), (-3.1, 0.8), (-2.6, 0.4), (-3.1, 3.1))


def short(d: Demonstration) -> None:
    """A second and a bit each: from before the grasp until after it."""
    at = int(np.argmax(d.qpos[:, 6] < 0.5))
    d.each(lambda x: x[max(at - 12, 0) : at + 12])


def five_hz(d: Demonstration) -> None:
    """Slow motion, at 5 Hz."""
    d.rate_hz = 5.0


def five_hundred_hz(d: Demonstration) -> None:
    """Interpolated as a controller does it, with noise of its encoders."""
    d.rate_hz = 500.0
    places = np.arange(0, len(d.qpos) - 1, 1 / 25)
    d.each(lambda x: resampled(x, places))
    d.qpos[:, :6] += 0.1 * ENCODER * d.rng.normal(size=(len(places), 6))


def parked_arm(d: Demonstration) -> None:
    """Two arms of which the left one is parked: its controller holds, its encoders hum."""
    park = np.tile([0.0, -1.5, 1.6, 0.0, 0.9, 0.0, 0.2], (len(d.qpos), 1))
    hum = np.hstack([2e-4 * d.rng.normal(size=(len(d.qpos), 6)), np.zeros((len(d.qpos), 1))])
    d.names = tuple(f"right_{name}" for name in d.names)
    joined(d, [f"left_{name}" for name in NAMES], park + hum, park)


def parked_arm_simulated(d: Demonstration) -> None:
    """The same in a simulator: the parked arm does not move at all."""
    parked_arm(d)
    assert d.action is not None
    d.qpos[:, :7] = d.action[:, :7]


ALOHA = ("waist", "shoulder", "elbow", "forearm_roll", "wrist_angle", "wrist_rotate", "gripper")


def parked_aloha(d: Demonstration) -> None:
    """ALOHA in its simulator, one arm used."""
    assert d.action is not None
    park = np.array([0.0, -0.96, 1.16, 0.0, -0.3, 0.0, 0.0])
    mean, half = np.array([0.2, 0.0, 0.2, -0.2, 0.4, 0.0]), 0.3
    centre = np.concatenate([x[0][:, :6] for x in shipped(UR5E)]).mean(0)

    def bent(x: np.ndarray) -> np.ndarray:
        return np.hstack([mean + half * (x[:, :6] - centre), x[:, 6:]])

    d.each(bent)
    d.names = tuple(f"right_{name}" for name in ALOHA)
    joined(d, [f"left_{name}" for name in ALOHA], np.tile(park, (len(d.qpos), 1)))


def tool_pose(d: Demonstration) -> None:
    """Position and quaternion of the tool in columns of their own, after the joints."""
    from ate.robots.kinematics import Kinematics

    arm = Kinematics.of("ur5e")
    position, rotation = arm.forward(d.qpos[:, :6])
    from scipy.spatial.transform import Rotation

    quaternion = Rotation.from_matrix(rotation).as_quat(canonical=False)
    for row in range(1, len(quaternion)):
        if quaternion[row] @ quaternion[row - 1] < 0:
            quaternion[row] *= -1
    quaternion *= np.sign(quaternion[0, np.abs(quaternion[0]).argmax()])
    d.qpos = np.hstack([d.qpos, position, quaternion])
    d.names = (*d.names, "ee_x", "ee_y", "ee_z", "ee_qx", "ee_qy", "ee_qz", "ee_qw")


def unnamed(d: Demonstration) -> None:
    d.names = ()


def narrow(d: Demonstration) -> None:
    """A task within a hand's breadth: all joints move by a tenth of what they do elsewhere."""
    middle = np.concatenate([x[0][:, :6] for x in shipped(UR5E)]).mean(0)
    d.each(lambda x: np.hstack([middle + 0.1 * (x[:, :6] - middle), x[:, 6:]]))


def positive(d: Demonstration) -> None:
    """A small arm of four joints that count from their lower stops."""
    d.each(lambda x: np.hstack([(x[:, :4] + [1.0, 2.5, -0.2, 3.0]) * 0.35, x[:, 6:]]))
    d.names = ("base", "rear_arm", "front_arm", "wrist", "gripper")


def rounded(d: Demonstration) -> None:
    """A logger that writes two decimals."""
    d.each(lambda x: x.round(2))


def clipped(d: Demonstration) -> None:
    """Targets that the operator sends beyond a stop, which the driver clips."""
    assert d.action is not None
    d.each(lambda x: np.hstack([x[:, :2], np.minimum(x[:, 2:3], 1.9), x[:, 3:]]))


def several_tries(d: Demonstration) -> None:
    """Each episode is the task three times over: back to the start in a second, by the controller."""
    assert d.action is not None
    way = np.linspace(0, 1, 20)[:, None]
    parts, targets = [], []
    for _ in range(3):
        parts += [d.qpos, d.qpos[-1] + way * (d.qpos[0] - d.qpos[-1])]
        targets += [d.action, d.action[-1] + np.minimum(way + 0.1, 1) * (d.action[0] - d.action[-1])]
    d.qpos, d.action = np.concatenate(parts), np.concatenate(targets)


def lingering(d: Demonstration) -> None:
    """Mostly waiting, at 5 Hz: long pauses at each of a few places, and quick moves of the controller between them."""
    stops = d.qpos[np.linspace(0, len(d.qpos) - 1, 5).astype(int)]
    rows: list[np.ndarray] = []
    for a, b in zip(stops, [*stops[1:], stops[0]], strict=True):
        rows += [np.tile(a, (25, 1)), a + np.array([0.25, 0.5, 0.75])[:, None] * (b - a)]
    d.qpos = np.concatenate([*rows, np.tile(stops[0], (10, 1))])
    d.action = np.concatenate([d.qpos[1:], d.qpos[-1:]])
    d.qpos[:, :6] += 3e-4 * d.rng.normal(size=(len(d.qpos), 6))
    d.rate_hz = 5.0


def keyframes(d: Demonstration) -> None:
    """One row a keyframe: home, above, at, up, elsewhere, and over again; about a second each."""
    keys = d.qpos[[0, len(d.qpos) // 3, len(d.qpos) // 2, 2 * len(d.qpos) // 3, len(d.qpos) - 1]]
    hum = 0.01 * d.rng.normal(size=(20, 6))
    d.qpos = np.tile(keys, (4, 1))
    d.qpos[:, :6] += hum
    d.action, d.rate_hz = np.concatenate([d.qpos[1:], d.qpos[:1]]), 1.0


def both_arms(d: Demonstration) -> None:
    """Two arms that carry together: the left one does what the right one does."""
    rows, targets = d.qpos + 2e-3 * d.rng.normal(size=d.qpos.shape) * [1, 1, 1, 1, 1, 1, 0], d.action
    d.names = tuple(f"right_{name}" for name in d.names)
    joined(d, [f"left_{name}" for name in NAMES], rows, targets)
