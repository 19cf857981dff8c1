"""Seen sets: episodes whose state is what an encoder sees of them, and their instruction.

    seen = see(episodes, eyes)                       as the robot in the recordings looks
    seen = see(episodes, eyes, drawn=retargeted)     the same moments, with another robot in the pictures
    seen = see_recorded(episodes, camera_eyes)       in the pictures of the recordings' own cameras

A seen set is a set like any other: joints and actions are those that were recorded, columns of the state are called as
before. Its attribute `seen` says which eyes it was seen by; the eyes themselves lie in its folder. Policies that are
pre-trained on it get these eyes, and look with them in rollouts.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ate.data.convert import convert
from ate.data.episodes import Episode, Episodes
from ate.data.series import Series
from ate.errors import InputError
from ate.policies.vision.camera_eyes import CameraEyes, sentences_of, views_of
from ate.policies.vision.eyes import OFFSET, Eyes
from ate.policies.vision.moment import states
from ate.runs import checkpoint
from ate.sim.tasks import OBJECT, TOOL

EYES = "eyes.safetensors"
SEEN = "seen"
# Rows whose pictures are in memory at once.
ROWS = 256


def see(episodes: Episodes, eyes: Eyes, drawn: Episodes | None = None, every: int = 1) -> Episodes:
    """Episodes with what the eyes see of every row in place of their state.

    Args:
        episodes: of a simulated robot, with the state of `ate.sim.tasks`.
        eyes: of their task.
        drawn: the same episodes retargeted to another robot (`ate.steer.retarget`), which is then in the pictures;
            episodes that it cannot follow keep the pictures of their own robot.
        every: one row in so many is looked at, and the rows after it show the same things.

    Raises:
        InputError: another task or state, or pictures cannot be drawn on this machine.
    """
    if episodes.task != eyes.task:
        raise InputError(
            f"episodes of {episodes.task}", where=f"pictures of {episodes.robot}", expected=f"episodes of {eyes.task}",
            fix="take eyes of their task",
        )  # fmt: skip
    others = (
        {} if drawn is None else {str(item.attributes["retargeted_episode"]): item for item in _of(drawn, episodes)}
    )
    mark = eyes.digest + (f"-{every}" if every > 1 else "") + (f"-{drawn.robot}" if drawn is not None else "")
    items = []
    for i, item in enumerate(episodes):
        state, other = states(episodes, i), others.get(item.name)
        shown = None if other is None or drawn is None else (drawn.robot, other.qpos[::every])
        looks = state[::every]
        rows = eyes.see(episodes.robot, item.qpos[::every], looks, eyes.scene(state[:1]).repeat(len(looks)), shown)
        rows = rows[np.arange(len(state)) // every]
        # Where the tool is, is known from the joints of every row.
        rows[:, : OBJECT.start] = state[:, : OBJECT.start]
        rows[:, OFFSET] = rows[:, OBJECT] - rows[:, TOOL]
        series = {**item.series, "state": Series.of(rows, f"{item.path}, episode {item.name}")}
        attributes = {**item.attributes, "state_names": eyes.columns, SEEN: mark}
        items.append(replace(item, series=series, attributes=attributes))
    return replace(episodes, items=tuple(items))


def see_recorded(episodes: Episodes, eyes: CameraEyes) -> Episodes:
    """Episodes with what the eyes see of every row's recorded pictures in place of their state.

    Raises:
        InputError: an episode without one of the cameras, or pictures that cannot be read.
    """
    items = []
    views, sentences = views_of(episodes, eyes.cameras), sentences_of(episodes)
    for item, view, sentence in zip(episodes, views, sentences, strict=True):
        parts = []
        for start in range(0, len(item), ROWS):
            rows = range(start, min(start + ROWS, len(item)))
            parts.append(eyes.shown({name: view[name].read(rows) for name in eyes.cameras}, [sentence] * len(rows)))
        series = {**item.series, "state": Series.of(np.concatenate(parts), f"{item.path}, episode {item.name}")}
        attributes = {**item.attributes, "state_names": eyes.columns, SEEN: eyes.digest}
        items.append(replace(item, series=series, attributes=attributes))
    return replace(episodes, items=tuple(items))


def write(seen: Episodes, eyes: Eyes | CameraEyes, out: Path) -> None:
    """Write a seen set natively, with its eyes; `out` is new or empty.

    Raises:
        InputError: the folder is in use, or cannot be written.
    """
    convert(seen, out, also=lambda folder: eyes.save(folder / EYES))


def eyes_of(episodes: Episodes) -> Eyes | CameraEyes | None:
    """The eyes by which a set was seen; None for a set with a state of its own.

    Raises:
        InputError: they are missing, or other ones than the set's.
    """
    if not is_seen(episodes):
        return None
    file = Path(episodes[0].path).parent / EYES
    eyes = eyes_from(checkpoint.load(file))
    if not seen_by(episodes).startswith(eyes.digest):
        raise InputError(
            f"eyes {eyes.digest}", where=str(file), expected=f"those of the set, {seen_by(episodes)}",
            fix="see the recordings again, into another folder: ate vision see",
        )  # fmt: skip
    return eyes


def eyes_from(tree: Mapping[str, Any]) -> Eyes | CameraEyes:
    """Eyes of either kind, of their `to_tree`."""
    return CameraEyes.from_tree(tree) if "watched" in tree else Eyes.from_tree(tree)


def is_seen(episodes: Episodes) -> bool:
    """Whether the state of a set is what an encoder sees."""
    return bool(seen_by(episodes))


def seen_by(episodes: Episodes) -> str:
    """Which eyes saw a set, and which other robot they were shown; empty for a set with a state of its own."""
    return str(episodes[0].attributes.get(SEEN, "")) if len(episodes) else ""


def seen_marks(sets: Iterable[Episodes]) -> list[str]:
    """`seen_by` of each of some sets; empty where none of them is seen."""
    marks = [seen_by(episodes) for episodes in sets]
    return marks if any(marks) else []


def _of(drawn: Episodes, episodes: Episodes) -> list[Episode]:
    """Those of the retargeted episodes that come from a set, with as many rows as there."""
    return [item for item in drawn if item.attributes.get("retargeted_from") == episodes.robot]
