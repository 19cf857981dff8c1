"""Instructions: what a robot is to do, in several wordings, and whether that is what the scene asks for.

    "right"         the task and the colour of the goal as they are, in the usual wording
    "varied"        the same, in any wording of training
    "paraphrase"    the same in a wording that was held out from training
    "wrong colour"  the colour of the marker that is no goal
    "wrong task"    another task, in its usual wording

The first wording of a task is the usual one. `{goal}` stands for the colour of a marker.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ate.errors import InputError, unknown

Floats = NDArray[np.float32]
RIGHT, VARIED, PARAPHRASE = "right", "varied", "paraphrase"
WRONG_COLOUR, WRONG_TASK = "wrong colour", "wrong task"
KINDS = (RIGHT, VARIED, PARAPHRASE, WRONG_COLOUR, WRONG_TASK)
WORDINGS: Mapping[str, tuple[str, ...]] = {
    "lift": (
        "lift the cube", "pick up the cube", "raise the cube off the table", "grab the block and lift it",
        "take the red cube and raise it up", "lift the block",
    ),
    "push": (
        "push the disc to the {goal} goal", "slide the disc onto the {goal} marker",
        "move the puck across the table to the {goal} goal", "shove the disc to the {goal} circle",
        "push the puck onto the {goal} target",
    ),
    "place": (
        "place the cube on the {goal} goal", "put the cube on the {goal} marker",
        "pick up the cube and set it down on the {goal} circle", "carry the cube to the {goal} goal",
        "move the block onto the {goal} target",
    ),
}  # fmt: skip
"""Of training, by task."""
HELD_OUT: Mapping[str, tuple[str, ...]] = {
    "lift": ("pick the block up from the table", "get the red cube off the table"),
    "push": ("slide the purple disc over to the {goal} circle", "push the puck until it lies on the {goal} goal"),
    "place": ("set the block down on the {goal} marker", "pick the cube up and put it on the {goal} spot"),
}
"""Never seen in training."""
COLOURS: Mapping[str, tuple[str, ...]] = {"lift": (), "push": ("green",), "place": ("blue", "yellow")}
"""Of the markers in the scene of a task; each of them is the goal in some of the episodes."""
OTHERS: Mapping[str, str] = {"lift": "push", "push": "lift", "place": "lift"}
"""The task that is asked for where it is a wrong one."""


def sentences(task: str, held_out: bool = False) -> tuple[str, ...]:
    """Every wording of a task in every colour.

    Raises:
        InputError: an unknown task.
    """
    if task not in WORDINGS:
        raise unknown(task, WORDINGS, where="task of an instruction")
    return tuple(
        dict.fromkeys(
            form.format(goal=colour)
            for form in (HELD_OUT if held_out else WORDINGS)[task]
            for colour in COLOURS[task] or ("",)
        )
    )


def every_sentence() -> tuple[str, ...]:
    """All of them, of all tasks, those of training first."""
    return tuple(text for held_out in (False, True) for task in WORDINGS for text in sentences(task, held_out))


def goal_colours(task: str, first: Floats) -> list[tuple[str, ...]]:
    """Colours of the markers in N episodes, the goal's first; they follow from the first state of each.

    Args:
        task: a task.
        first: (N, 20) first states.
    """
    known = COLOURS[task]
    return [(*known[k:], *known[:k]) for k in _number(first) % max(1, len(known))]


def instructions(task: str, first: Floats, kind: str = RIGHT) -> list[str]:
    """The instructions of N episodes.

    Args:
        task: that is to be done.
        first: (N, 20) first states, which say which marker is the goal.
        kind: one of `KINDS`, or a sentence of your own, with `{goal}` and `{other}` for the colours.

    Raises:
        InputError: another colour is asked for where there is one marker at most.
    """
    colours = [(*seen, "", "") for seen in goal_colours(task, first)]
    usual = WORDINGS[task][0]
    if kind == WRONG_COLOUR:
        if len(COLOURS[task]) < 2:
            raise InputError(
                f"{kind!r} for {task}", where="instruction", expected="a task with markers of two colours",
                fix=f"use {RIGHT!r} or {WRONG_TASK!r}, or take the task place",
            )  # fmt: skip
        return [usual.format(goal=seen[1]) for seen in colours]
    if kind == WRONG_TASK:
        other = WORDINGS[OTHERS[task]][0]
        return [other.format(goal=seen[0] or COLOURS["push"][0]) for seen in colours]
    forms = {RIGHT: (usual,), VARIED: WORDINGS[task], PARAPHRASE: HELD_OUT[task]}.get(kind, (kind,))
    # Another share of the number than the one that chooses the colour.
    chosen = _number(first) // 2 % len(forms)
    # A sentence of one's own may hold other braces.
    return [
        forms[k].replace("{goal}", seen[0]).replace("{other}", seen[1]) for k, seen in zip(chosen, colours, strict=True)
    ]


def _number(first: Floats) -> NDArray[np.int64]:
    """A whole number (N,) that follows from where object and goal lie, to a tenth of a millimetre."""
    whole = np.round(np.asarray(first, float)[:, [9, 10, 14, 15]] * 1e4).astype(np.int64)
    number: NDArray[np.int64] = np.abs(whole @ np.array([1, 3, 7, 11]))
    return number
