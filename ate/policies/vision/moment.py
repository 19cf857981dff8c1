"""Moments: pictures of a simulated robot with the state that they show, on which an encoder is trained and measured."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ate.data.episodes import Episodes
from ate.errors import InputError
from ate.policies.vision.eyes import YAW, Eyes, tool_pose
from ate.policies.vision.instruction import COLOURS
from ate.sim.tasks import GOAL, OBJECT, STATE_NAMES


@dataclass(frozen=True, eq=False)
class Moments:
    """Moments whose state is known, T of them of one task.

    Attributes:
        task: their task.
        pictures: (T, cameras, H, W, 3) uint8.
        position, rotation: (T, 3) and (T, 3, 3), pose of the tool.
        truth: object (T, 3) and yaw (T, 2).
        goals: (T, k, 3), the marker of each colour; the origin where a task has no goal.
        colour: (T,) number of the colour, in `COLOURS`, of the goal that was meant.
        touched: (T,) whether something has moved the object: then the tool may tell where it is.
    """

    task: str
    pictures: NDArray[np.uint8]
    position: NDArray[np.float64]
    rotation: NDArray[np.float64]
    truth: dict[str, NDArray[np.float64]]
    goals: NDArray[np.float64]
    colour: NDArray[np.int64]
    touched: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.pictures)


def moments(eyes: Eyes, episodes: Episodes, every: int = 1, seed: int | None = None, paint: bool = True) -> Moments:
    """Draw every so many moments of the episodes of a simulated robot, offset by the episode's number.

    Args:
        eyes: of their task.
        episodes: with the state of `ate.sim.tasks`.
        every: rows of an episode to a moment.
        seed: object, markers and the arm's colours are drawn anew by it (`ate.policies.vision.scatter`); None for
            what was recorded.
        paint: whether the arm's colours are.

    Raises:
        InputError: episodes without the state of `ate.sim.tasks`, or what drawing raises.
    """
    # Imported here: what draws nothing needs nothing of the simulator.
    from ate.policies.vision.scatter import painted, scattered, touched

    parts: dict[str, list[NDArray[Any]]] = {}
    known = COLOURS[eyes.task] or ("",)
    generator = None if seed is None else np.random.default_rng([seed, len(episodes)])
    for i, item in enumerate(episodes):
        state, qpos = states(episodes, i), item.qpos
        scene, rows = eyes.scene(state[:1]), np.arange(i % every, len(qpos), every)
        moved = touched(state)[rows]
        # The goal's first, then the other's.
        colours, places = scene.colours[0] or ("",), [state[0, GOAL].astype(float)]
        if scene.other is not None:
            places.append(scene.other[0])
        if generator is None:
            markers = [np.repeat(place[None], len(state), 0) for place in places]
        else:
            state, markers = scattered(eyes.task, state, places, generator)
        state, markers = state[rows], [marker[rows] for marker in markers]
        position, rotation = tool_pose(episodes.robot, qpos[rows])
        coats = None if generator is None or not paint else painted(episodes.robot, len(rows), generator)
        drawn = replace(scene.repeat(len(rows)), other=markers[1] if len(markers) > 1 else None, paint=coats)
        values: dict[str, NDArray[Any]] = {
            "pictures": eyes.pictures(episodes.robot, qpos[rows], state, drawn),
            "position": position, "rotation": rotation, "object": state[:, OBJECT].astype(float),
            "yaw": state[:, YAW].astype(float), "goals": np.stack([markers[colours.index(c)] for c in known], 1),
            "colour": np.full(len(rows), known.index(colours[0])), "touched": moved,
        }  # fmt: skip
        for name, value in values.items():
            parts.setdefault(name, []).append(value)
    whole = {name: np.concatenate(values) for name, values in parts.items()}
    truth = {name: whole.pop(name) for name in ("object", "yaw")}
    return Moments(eyes.task, truth=truth, **whole)


def states(episodes: Episodes, index: int) -> NDArray[np.float32]:
    """The state of one episode, `(n, 20)`.

    Raises:
        InputError: none was recorded, or of other columns.
    """
    item = episodes[index]
    if not item.has("state") or item.column_names("state") != STATE_NAMES:
        raise InputError(
            "no state of the simulated tasks", where=f"{item.path}, episode {item.name}",
            expected=f"columns {', '.join(STATE_NAMES[:3])}, … of the simulator, from which pictures are drawn",
            fix="give episodes that were recorded in the simulator of ate",
        )  # fmt: skip
    return np.asarray(item.read("state"), np.float32)
