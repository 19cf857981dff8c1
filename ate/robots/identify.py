"""Kinematics identified from demonstrations that recorded joints and tool poses, and how sure they are.

Four errors of the tool's position are reported, metres, and the largest of the first three gives the verdict:

- `fit`: what is left on the rows it was fitted to, noise included;
- `held_out`: on each demonstration, of a fit to the others;
- `expected`: in the postures that the needed poses ask for, the standard deviation that the fit leaves open (from the
  errors that are left and how well the rows determine each screw);
- `round_trip`: what inverse kinematics misses of the needed poses within the limits: reach, not accuracy.

Above `WARN` look before use; above `REFUSE` the kinematics are not given out. METHOD: `ate.robots.screw_fit`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ate.errors import InputError
from ate.robots.inverse import Residual, residual
from ate.robots.kinematics import Kinematics
from ate.robots.screw_fit import Poses, fit, forward_spread

Array = NDArray[np.float64]
WARN, REFUSE = 5e-3, 15e-3
"""Metres."""
# Beyond the observed range of a joint, to either side: this share of the range, at least so many radians or metres.
SHARE, LEAST_TURN, LEAST_SLIDE = 1.0, 0.7, 0.05
# A joint with less range than this hardly moved, and its limits are widened by so much only; radians or metres.
STILL_TURN, STILL_SLIDE = 0.05, 0.005
STILL_WIDER = 2.0
# More rows, or needed poses, than this tell little more; they are taken evenly spread.
MOST_ROWS, MOST_NEEDED = 2000, 600
PASSED, WARNED = "usable", "look before use"


@dataclass(frozen=True, eq=False)
class Identified:
    """Kinematics and how far to trust them; lengths in metres.

    Attributes:
        kinematics: with limits: the observed range, widened.
        rows: how many poses were fitted.
        fit: root mean square error on them.
        held_out: (E,) mean error on each demonstration of a fit to the others; empty for one demonstration.
        expected: (M,) standard deviation in the postures of the needed poses; of the fitted rows without any.
        round_trip: what inverse kinematics misses of them, (M,) each.
        outside: share of them in postures with a joint outside its observed range.
        still: names of joints that hardly moved: of their axes little is known, and their range is not widened.
        widened: (n,) by how much each limit is beyond the observed range, radians or metres.
    """

    kinematics: Kinematics
    rows: int
    fit: float
    held_out: Array
    expected: Array
    round_trip: Residual
    outside: float
    still: tuple[str, ...]
    widened: Array

    @property
    def error(self) -> float:
        """The largest of fit, worst demonstration held out, and expected (root mean square)."""
        expected = float(np.sqrt(np.square(self.expected).mean()))
        return max(self.fit, float(self.held_out.max(initial=0.0)), expected)

    @property
    def verdict(self) -> str:
        """`"usable"` or `"look before use"`."""
        return WARNED if self.error > WARN else PASSED

    def lines(self) -> list[str]:
        """The facts as sentences, lengths in millimetres."""
        mm, trip = 1e3, self.round_trip
        k = self.kinematics
        ranges = ", ".join(
            f"{n} {low:.2f} to {high:.2f}" for n, (low, high) in zip(k.joint_names, k.limits, strict=True)
        )
        held = "unknown: there is no second demonstration"
        if len(self.held_out):
            held = f"{mm * self.held_out.mean():.2f} mm, worst {mm * self.held_out.max():.2f} mm"
        lines = [
            f"{k.joints} joints from {self.rows} poses: {self.verdict} (largest error {mm * self.error:.2f} mm, "
            f"warning from {mm * WARN:.0f}, refusal from {mm * REFUSE:.0f}).",
            f"Error on these poses: {mm * self.fit:.2f} mm, noise of the poses included.",
            f"Error on a demonstration left out of the fit: {held}.",
            f"Expected error where it is needed: {mm * np.sqrt(np.square(self.expected).mean()):.2f} mm, at most "
            f"{mm * self.expected.max():.2f} mm; {100 * self.outside:.0f} % of it outside the observed joint ranges.",
            f"After inverse kinematics: {mm * np.median(trip.position):.2f} mm in the median, "
            f"{100 * float((trip.position > WARN).mean()):.0f} % of the poses not reached within {mm * WARN:.0f} mm.",
            f"Limits, rad or m, beyond the observed range by {_spread(self.widened)}: {ranges}.",
        ]
        if self.still:
            lines.append(f"Hardly moved, so little is known of their axes: {', '.join(self.still)}.")
        return lines


def identify(
    qpos: Array,
    position: Array,
    rotation: Array,
    episode: NDArray[np.integer] | None = None,
    needed: tuple[Array, Array] | None = None,
    joint_names: Sequence[str] = (),
    limits: Array | None = None,
    name: str = "identified",
) -> Identified:
    """Kinematics from recorded joints and tool poses.

    Args:
        qpos: (N, n) arm joints, radians (metres of slides).
        position: (N, 3) of the tool, metres, in any fixed frame, which becomes the base frame.
        rotation: (N, 3, 3).
        episode: (N,) number of the demonstration of each row, to leave one out at a time.
        needed: positions (M, 3) and rotations (M, 3, 3) that the robot shall reach, in that frame.
        joint_names: n names.
        limits: (n, 2) of the joints, where they are known.
        name: of the robot.

    Raises:
        InputError: too few rows, values that are not finite or no rotations, or an error above 15 mm.
    """
    poses = _checked(qpos, position, rotation, name)
    names = tuple(joint_names) or tuple(f"joint_{i}" for i in range(poses.qpos.shape[1]))
    rows = _even(len(poses.qpos), MOST_ROWS)
    fitted = fit(poses.take(rows))
    low, high = poses.qpos.min(0), poses.qpos.max(0)
    slides = ~fitted.kinematics.screws[:, :3].any(axis=1)
    little = np.where(slides, STILL_SLIDE, STILL_TURN)
    still = (high - low) < little
    wider = np.maximum(SHARE * (high - low), np.where(slides, LEAST_SLIDE, LEAST_TURN))
    widened = np.where(still, STILL_WIDER * little, wider) if limits is None else np.zeros(len(low))
    ends = np.stack([low - widened, high + widened], axis=1) if limits is None else np.asarray(limits, float)
    kinematics = replace(fitted.kinematics.renamed(name, names), limits=ends)
    position, rotation = (poses.position[rows], poses.rotation[rows]) if needed is None else needed
    some = _even(len(position), MOST_NEEDED)
    position, rotation = position[some], rotation[some]
    q = poses.qpos[rows][some] if needed is None else kinematics.inverse(position, rotation, kinematics.rest)
    identified = Identified(
        kinematics, len(rows), float(np.sqrt(np.square(fitted.error[:, :3]).sum(1).mean())),
        _left_out(poses, episode, fitted.kinematics), forward_spread(fitted, q),
        residual(kinematics, kinematics.inverse(position, rotation, q), position, rotation),
        float(((q < low - 1e-9) | (q > high + 1e-9)).any(axis=1).mean()),
        tuple(n for n, at_rest in zip(names, still, strict=True) if at_rest), widened,
    )  # fmt: skip
    if identified.error > REFUSE:
        raise _refused(identified)
    return identified


def _spread(widened: Array) -> str:
    low, high = float(widened.min()), float(widened.max())
    return f"{low:.2g}" if low == high else f"{low:.2g} to {high:.2g}"


def _checked(qpos: Array, position: Array, rotation: Array, name: str) -> Poses:
    q, p, r = (np.asarray(values, np.float64) for values in (qpos, position, rotation))
    where = f"identification of {name}"
    if q.ndim != 2 or p.shape != (len(q), 3) or r.shape != (len(q), 3, 3):
        raise InputError(
            f"arrays of shape {q.shape}, {p.shape} and {r.shape}", where=where,
            expected="joints (N, n), positions (N, 3) and rotations (N, 3, 3)", fix="pass one row a recorded moment",
        )  # fmt: skip
    least = 2 * q.shape[1] + 2
    if len(q) < least or not q.shape[1]:
        raise InputError(f"{len(q)} poses of {q.shape[1]} joints", where=where, expected=f"at least {least} poses",
                         fix="record more demonstrations")  # fmt: skip
    if not all(np.isfinite(values).all() for values in (q, p, r)):
        raise InputError("values that are not finite", where=where, expected="numbers", fix="leave those rows out")
    if not np.allclose(r @ np.swapaxes(r, 1, 2), np.eye(3), atol=1e-3) or (np.linalg.det(r) < 0).any():
        raise InputError("matrices that are no rotations", where=where, expected="orthonormal, right-handed matrices",
                         fix="check the order of the quaternion: ee_pose is x y z, then w x y z")  # fmt: skip
    return Poses(q, p, r)


def _even(count: int, most: int) -> NDArray[np.intp]:
    """At most so many of `count` rows, evenly spread."""
    return np.linspace(0, count - 1, min(count, most)).round().astype(np.intp)


def _left_out(poses: Poses, episode: NDArray[np.integer] | None, start: Kinematics) -> Array:
    """Mean error (E,) on each demonstration of a fit to the others; metres."""
    numbers = np.zeros(0, int) if episode is None else np.unique(episode)
    errors = []
    for number in numbers if len(numbers) > 1 else ():
        mine = np.flatnonzero(episode == number)
        others = np.flatnonzero(episode != number)
        step = max(len(others) // MOST_ROWS, 1)
        known = fit(poses.take(others[::step]), start).kinematics
        reached, _ = known.forward(poses.qpos[mine])
        errors.append(np.linalg.norm(reached - poses.position[mine], axis=1).mean())
    return np.array(errors)


def _refused(identified: Identified) -> InputError:
    still = f"; {', '.join(identified.still)} hardly moved" if identified.still else ""
    worst = f"{1e3 * identified.held_out.max():.1f} mm" if len(identified.held_out) else "unknown"
    expected = 1e3 * float(np.sqrt(np.square(identified.expected).mean()))
    return InputError(
        f"an error of {1e3 * identified.error:.1f} mm (fit {1e3 * identified.fit:.1f} mm, demonstration left out "
        f"{worst}, expected where needed {expected:.1f} mm{still})",
        where=f"identification of {identified.kinematics.name}",
        expected=f"at most {1e3 * REFUSE:.0f} mm",
        fix="give the robot's URDF, or record more demonstrations that move every joint; check that joints (radians) "
        "and poses (metres, one fixed frame, one tool) belong to the same moment",
    )
