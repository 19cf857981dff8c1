"""A simulator: what rollouts need of it. The table-top scene of `ate.sim` is one, any gymnasium environment another.

simulator("ur5e", "lift")                                                    the scene of `ate.sim.environments`
simulator("agent", "gym:gym_pusht/PushT-v0,qpos=agent_pos,state=environment_state")     `ate.sim.gym_simulator`
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ate.robots.kinematic_table import ROBOTS
from ate.sim.gym_address import GymAddress, is_gym
from ate.sim.tasks import TASKS, task

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


class Simulator(Protocol):
    """Where one robot does one task."""

    @property
    def robot(self) -> str:
        """The robot's name."""

    @property
    def task(self) -> str:
        """The task's name."""

    @property
    def limit(self) -> int:
        """Control steps after which an episode without success has failed."""

    def start(self, seeds: Sequence[int], threads: int | None = None, record: bool = False) -> Batch:
        """One environment a seed, at its start.

        Args:
            seeds: what decides each start.
            threads: of the simulator, where it has threads; does not change results.
            record: whether pictures are wanted in `Batch.moment`.
        """


@dataclass(frozen=True)
class TableTop:
    """A robot and a task of `ate.sim`.

    Attributes:
        robot, task: names in the tables.
    """

    robot: str
    task: str

    @property
    def limit(self) -> int:
        """The task's own number of control steps."""
        return task(self.task).steps

    def start(self, seeds: Sequence[int], threads: int | None = None, record: bool = False) -> Batch:
        """The environments; `record` changes nothing, the scene is drawn from its states afterwards."""
        from ate.sim.environments import Environments

        return Environments(self.robot, self.task, seeds, threads=threads, freeze_successes=True)


def simulator(robot: str, task_name: str) -> Simulator:
    """The simulator of a robot and a task: a task of `ate.sim`, or the address of a gymnasium environment.

    Raises:
        InputError: an unknown name, or an address that cannot be read.
    """
    if is_gym(task_name):
        from ate.sim.gym_simulator import GymSimulator

        return GymSimulator(robot, GymAddress.parse(task_name))
    return TableTop(robot, task(task_name).name)


def known(robot: str, task_name: str | None) -> bool:
    """Whether there is a simulator for this robot and task."""
    return is_gym(task_name or "") or (robot in ROBOTS and task_name in TASKS)
