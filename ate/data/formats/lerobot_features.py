"""Which features of a LeRobot set are joint positions and commands: LeRobot's own names, and those of other writers."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ate.data.formats import lerobot_meta
from ate.data.formats.lerobot_meta import Meta
from ate.errors import InputError, unknown

STATE, ACTION, ENVIRONMENT = "observation.state", "action", "observation.environment_state"
# openpi writes `state` and `actions`, and for DROID the joints and the gripper apart.
_WHOLE = {
    STATE: ((STATE,), ("state",), ("observation.qpos",), ("joint_position", "gripper_position"), ("joint_position",)),
    ACTION: ((ACTION,), ("actions",)),
}
# AgiBot, Galaxea and others write a feature for each part of the robot: `observation.states.joint.position`.
_PARTS = {STATE: ("observation.states.", "observation.state.", "state."), ACTION: ("actions.", "action.")}
# Parts that are no joint positions.
_OTHER = re.compile(
    r"veloc|effort|torque|force|current|accel|temperature|index|chassis|base|wrench|pose|orient|quat|drift|motor"
    r"|(?:^|[._])(?:ee|eef|end|tcp|cartesian|robot|vel|tau)(?:$|[._])"
)


@dataclass(frozen=True)
class Features:
    """The features of a set that are read.

    Attributes:
        qpos: joint positions, in the order of the columns.
        action: commands; empty for none.
        state: the task's state; empty for none.
    """

    qpos: tuple[str, ...]
    action: tuple[str, ...]
    state: str = ""

    def names(self, meta: Meta, features: Sequence[str]) -> tuple[str, ...] | None:
        """Names of the columns of these features; None where the set names none.

        Where there are several features, one without names gives its own, numbered where it has several columns.
        """
        if len(features) == 1:
            return meta.names(features[0]) or None
        names: list[str] = []
        for feature in features:
            width = meta.width(feature)
            stem = re.sub(r"^(observation|states?|actions?)\.|\.position$", "", feature).replace(".", "_")
            stem = re.sub(r"^(states?|actions?)_", "", stem)
            names += meta.names(feature) or ([stem] if width == 1 else [f"{stem}_{i}" for i in range(width)])
        return tuple(names) if len(set(names)) == len(names) and names else None


def of(meta: Meta, chosen: Features | None = None) -> Features:
    """The features to read.

    Args:
        meta: of the set.
        chosen: those that were named; None to tell them from their names.

    Raises:
        InputError: one that was named is not there, or none is known to be joint positions; with what is there.
    """
    where = str(meta.root / lerobot_meta.INFO)
    if chosen is not None:
        odd = next((name for name in (*chosen.qpos, *chosen.action) if name not in meta.features), None)
        if odd is not None:
            raise unknown(odd, meta.features, where=where)
        return chosen
    qpos, action = _features(meta, STATE), _features(meta, ACTION)
    if not qpos:
        wide = [name for name in meta.features if name not in action and _is_numeric(meta, name)]
        fix = f"name it, --layout 'qpos={wide[0]}{f',action={action[0]}' if action else ''}'" if wide else "record them"
        others = f"; others that could be: {', '.join(wide[1:9])}" if len(wide) > 1 else ""
        raise InputError(
            f"features {', '.join(sorted(meta.features))[:500] or 'none'}",
            where=where,
            expected=f"the measured joint positions in {STATE!r}, 'state', or '{_PARTS[STATE][0]}…'",
            fix=fix + others,
        )
    return Features(qpos, action, ENVIRONMENT if ENVIRONMENT in meta.features else "")


def _features(meta: Meta, role: str) -> tuple[str, ...]:
    for names in _WHOLE[role]:
        if all(name in meta.features for name in names):
            return names
    for prefix in _PARTS[role]:
        parts = tuple(
            name
            for name in meta.features
            if name.startswith(prefix) and not _OTHER.search(name.removeprefix(prefix)) and _is_numeric(meta, name)
        )
        if parts:
            return parts
    return ()


def _is_numeric(meta: Meta, name: str) -> bool:
    feature = meta.features[name]
    shape = feature.get("shape")
    numeric = str(feature.get("dtype", "")).startswith(("float", "int"))
    return numeric and isinstance(shape, list) and len(shape) == 1 and not name.endswith(("index", "timestamp"))
