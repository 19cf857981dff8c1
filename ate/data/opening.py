"""Opening: one column `gripper`, 0 closed to 1 open, of a gripper whose fingers were recorded one by one."""

from dataclasses import replace

import numpy as np

from ate.data.columns import targets_alone
from ate.data.episodes import Episode, Episodes
from ate.data.series import Series
from ate.data.units import joints_now, profile_for
from ate.errors import InputError
from ate.robots import GRIPPER
from ate.robots.profile import Joint


def fingers(episodes: Episodes) -> dict[int, Joint]:
    """Columns of a set that are fingers or angles of one gripper, by its profile; none where it has a `gripper`."""
    known = None if GRIPPER in episodes.joint_names else profile_for(episodes)
    joints = joints_now(episodes, known)
    grippers = {i: joint for i, joint in enumerate(joints) if joint is not None and joint.part == "gripper"}
    return grippers if len({joint.arm for joint in grippers.values()}) == 1 else {}


def with_opening(episodes: Episodes) -> Episodes:
    """The set with a last column `gripper` in place of its fingers, whose mean it is, as its profile declares them.

    An action without a column for every joint is left out.

    Raises:
        InputError: no column that its profile knows to be a finger, or fingers of two arms.
    """
    known = fingers(episodes)
    if not known:
        raise InputError(
            f"columns {', '.join(episodes.joint_names)}",
            where=f"gripper of {episodes.robot}",
            expected="fingers of one gripper, with the values where it is closed and open",
            fix="name a profile that declares them (robot=), or take one arm (joints=)",
        )
    rest = [i for i in range(episodes.dof) if i not in known]
    names = (*(episodes.joint_names[i] for i in rest), GRIPPER)
    episodes = targets_alone(episodes)
    items = tuple(_opened(item, rest, known, names) for item in episodes)
    return replace(episodes, items=items, joint_names=names)


def opened(episodes: Episodes) -> Episodes:
    """The set with one column `gripper`, where its fingers are known; any other as it is."""
    return with_opening(episodes) if fingers(episodes) else episodes


def _opened(item: Episode, rest: list[int], known: dict[int, Joint], names: tuple[str, ...]) -> Episode:
    series, declared = dict(item.series), dict(item.declared)
    for name in ("qpos", "action"):
        if name not in series:
            continue
        values = item.read(name)
        shares = [joint.affine[0] * values[:, i] + joint.affine[1] for i, joint in known.items()]
        opening = np.clip(np.mean(shares, axis=0), 0.0, 1.0)
        series[name] = Series.of(np.column_stack([values[:, rest], opening]).astype(np.float32), item.name)
        if name in declared:
            declared[name] = (*(declared[name][i] for i in rest), None)
    attributes = {**item.attributes, "joint_names": names, "units": "rad"}
    return replace(item, series=series, attributes=attributes, declared=declared)
