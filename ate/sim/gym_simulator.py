"""A gymnasium environment as a simulator: N of them in lock step, in a process of their own."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ate.errors import InputError
from ate.sim.batch import Batch, Floats, Moment
from ate.sim.gym_address import GymAddress
from ate.sim.gym_process import process_of, release


@dataclass(frozen=True)
class Description:
    """What an environment says of itself.

    Attributes:
        dof: columns of qpos.
        state: columns of the task's state, 0 for none.
        actions: numbers in an action.
        steps: control steps of an episode, 0 where it does not say.
        rate: control steps a second, 0 where it does not say.
        keys: parts of an observation with their shapes.
    """

    dof: int
    state: int
    actions: int
    steps: int
    rate: float
    keys: dict[str, list[int]]

    @classmethod
    def of(cls, header: dict[str, Any], arrays: dict[str, np.ndarray]) -> "Description":
        """Of an answer to `open`."""
        state = arrays["state"].shape[1] if "state" in arrays else 0
        steps, rate = header["steps"] or 0, header["rate"] or 0.0
        return cls(arrays["qpos"].shape[1], state, header["actions"], steps, rate, header["keys"])


@dataclass(frozen=True)
class GymSimulator:
    """A gymnasium environment with one robot.

    Attributes:
        robot: what the robot is called in the data.
        address: of the environment.
    """

    robot: str
    address: GymAddress

    @property
    def task(self) -> str:
        """The environment's id."""
        return self.address.name

    @property
    def limit(self) -> int:
        """Control steps of an episode: what the address says, else the environment.

        Raises:
            InputError: neither does.
        """
        steps = self.address.steps or describe(self.address).steps
        if not steps:
            raise InputError(
                "no number of steps", where=f"simulator {self.task}", expected="the length of an episode",
                fix="say it with steps=",
            )  # fmt: skip
        return steps

    def start(self, seeds: Sequence[int], threads: int | None = None, record: bool = False) -> Batch:
        """The environments at their starts; `threads` has no effect."""
        return GymEnvironments(self.address, seeds, record)


class GymEnvironments:
    """N environments; see `ate.sim.batch.Batch`.

    Args:
        address: of the environment.
        seeds: one an environment, handed to its `reset`.
        record: whether pictures are wanted.

    Raises:
        InputError: no seeds or a negative one, what `ate.sim.gym_process` raises, or actions of other columns than
            qpos.
    """

    def __init__(self, address: GymAddress, seeds: Sequence[int], record: bool = False) -> None:
        self.address, self.seeds = address, tuple(int(seed) for seed in seeds)
        if not self.seeds or min(self.seeds) < 0:
            got, fix = str(list(self.seeds)[:5]), "pass e.g. range(50)"
            raise InputError(got, where="seeds", expected="one or more integers >= 0", fix=fix)
        count = len(self.seeds)
        self._process = process_of(address)
        try:
            header, arrays = self._process.ask("open", request=_request(address), seeds=self.seeds, image=record)
            self.description = Description.of(header, arrays)
            _check_columns(address, self.description)
        except InputError:
            release(self._process)
            raise
        self._parts: dict[str, NDArray[Any]] = {name: np.array(value) for name, value in arrays.items()}
        self.active = np.ones(count, bool)
        self.success = np.zeros(count, bool)
        self.steps = np.zeros(count, np.int64)
        self.closest = np.zeros(0)
        self.goal = np.zeros((count, 0))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        release(self._process)

    def __len__(self) -> int:
        return len(self.seeds)

    @property
    def dof(self) -> int:
        """Columns of qpos and of an action."""
        return self.description.dof

    def observe(self) -> tuple[Floats, Floats | None]:
        """qpos (N, dof) with the gripper as the data have it, and the state (N, k) or None."""
        qpos = self._parts["qpos"].copy()
        if self.address.gripper:
            closed, opened = self.address.observed_ends
            qpos[:, -1] = (qpos[:, -1] - closed) / (opened - closed)
        return qpos, self._parts["state"].copy() if "state" in self._parts else None

    def step(self, action: ArrayLike) -> None:
        """One action (N, dof) in every active environment.

        It is not clipped: the bounds that environments declare are not always theirs (gym-aloha's are ±1 rad).

        Raises:
            InputError: a value that is not finite, or what the process raises.
        """
        index = np.flatnonzero(self.active)
        if not len(index):
            return
        command = np.array(action, dtype=np.float64)[index]
        if not np.isfinite(command).all():
            expected, fix = "finite positions", "check the policy's output and its normaliser"
            raise InputError("a value that is not finite", where=f"action for {self.address.name}", expected=expected,
                             fix=fix)  # fmt: skip
        if self.address.command:
            closed, opened = self.address.commanded_ends
            command[:, -1] = closed + command[:, -1] * (opened - closed)
        _, arrays = self._process.ask("step", {"action": command}, index=index.tolist())
        for name in self._parts:
            self._parts[name][index] = arrays[name]
        self.steps[index] += 1
        self.success[index] |= arrays["success"]
        self.active[index] &= ~(arrays["success"] | arrays["ended"])

    def moment(self) -> Moment:
        """qpos, and the picture where the address names one."""
        nothing = np.zeros((len(self), 0), np.float32)
        image = self._parts.get("image")
        return Moment(self.observe()[0], nothing, nothing, None if image is None else image.copy())


@lru_cache(8)
def describe(address: GymAddress) -> Description:
    """What an environment says of itself, from one of them reset with seed 0.

    Raises:
        InputError: as `GymEnvironments`.
    """
    with GymEnvironments(address, [0]) as environments:
        return environments.description


def _request(address: GymAddress) -> dict[str, Any]:
    names = ("id", "module", "qpos", "state", "image", "success", "steps")
    return {**{name: getattr(address, name) for name in names}, "options": address.made_with}


def _check_columns(address: GymAddress, description: Description) -> None:
    if description.dof != description.actions:
        keys = ", ".join(f"{key} {shape}" for key, shape in description.keys.items())
        raise InputError(
            f"{description.dof} columns of qpos and actions of {description.actions} numbers",
            where=f"simulator {address.name}",
            expected="a position to reach for every column of qpos",
            fix=f"choose columns with qpos=KEY[first:last], or options of the environment; an observation has {keys}",
        )  # fmt: skip
