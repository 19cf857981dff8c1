"""A simulator: what rollouts need of it. The table-top scene of `ate.sim` is one, any gymnasium environment another.

simulator("ur5e", "lift")                                                    the scene of `ate.sim.environments`
simulator("agent", "gym:gym_pusht/PushT-v0,qpos=agent_pos,state=environment_state")     `ate.sim.gym_simulator`
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from ate.robots.kinematic_table import ROBOTS
from ate.sim.batch import Batch
from ate.sim.gym_address import GymAddress, is_gym
from ate.sim.tasks import TASKS, task


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
