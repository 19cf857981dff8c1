"""A batch of episodes that a simulator steps together, and what is kept of each step."""

from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Moment:
    """What is kept of N environments after a control step.

    Attributes:
        qpos: (N, dof) float32.
        tool: (N, 3) tool point in the table frame, metres; (N, 0) where a simulator does not say.
        object: (N, 3) centre of the object, likewise.
        image: (N, height, width, 3) uint8; None where there are no pictures.
        state: (N, 20) of `ate.sim.tasks`, from which the scene is drawn; None in other simulators.
    """

    qpos: Floats
    tool: Floats
    object: Floats
    image: NDArray[np.uint8] | None = None
    state: Floats | None = None


class Batch(Protocol):
    """N episodes that are simulated in lock step; environment i starts as seed i says.

    Attributes:
        seeds: one an environment.
        active: (N,) bool, environments that `step` moves: those whose episode has not ended.
        success: (N,) bool, whether the task was done at the end of any control step so far.
        steps: (N,) int, control steps made, up to and including the first success.
        closest: (N,) smallest distance from tool to object so far, metres; (0,) where a simulator does not say.
        goal: (N, 3) metres in the table frame; (N, 0) where a simulator does not say.
    """

    seeds: tuple[int, ...]
    active: NDArray[np.bool_]
    success: NDArray[np.bool_]
    steps: NDArray[np.int64]
    closest: NDArray[np.float64]
    goal: NDArray[np.float64]

    @property
    def dof(self) -> int:
        """Columns of qpos and of an action."""

    def __len__(self) -> int: ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *error: object) -> None: ...

    def observe(self) -> tuple[Floats, Floats | None]:
        """What a policy observes: qpos (N, dof) and the task's state (N, k), float32; None where there is no state."""

    def step(self, action: ArrayLike) -> None:
        """Carry out one action (N, dof) in every active environment."""

    def moment(self) -> Moment:
        """What is kept of this step."""
