"""Actor: any policy, ours or not, as a function of one observation.

    actor(observation) → chunk        observation: qpos, state, images, task        chunk: (horizon, joints)

A chunk holds absolute joint targets in the units of the observation: radians (metres for sliding joints), and the
gripper's opening in [0, 1]. An actor may have a method `reset(seed)`, called where an episode begins; an actor that
draws noise draws it from that seed, and forgets what it remembers of the episode before. It may have the attributes
`joint_names`, its columns in their order, and `network`, a torch module whose weights can be examined.
"""

import inspect
from typing import TYPE_CHECKING, Any, Protocol, Required, TypedDict, runtime_checkable

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from ate.data.space import ActionSpace
from ate.errors import InputError, unknown
from ate.policies.policy import Policy

if TYPE_CHECKING:
    from ate.policies.vision.watch import Watch


class Observation(TypedDict, total=False):
    """What an actor sees.

    Attributes:
        qpos: measured joints `(joints,)` float32, radians and the gripper's opening in [0, 1].
        state: task state `(k,)` float32, as recorded or as the simulator tells it; absent where there is none.
        images: pictures `(height, width, 3)` uint8 by the name of the camera; absent where there are none.
        task: what is to be done, in words; absent where nobody says.
    """

    qpos: Required[NDArray[np.float32]]
    state: NDArray[np.float32]
    images: dict[str, NDArray[np.uint8]]
    task: str


@runtime_checkable
class Actor(Protocol):
    """Any callable from an observation to a chunk `(horizon, joints)`."""

    def __call__(self, observation: Observation, /) -> ArrayLike:
        """The chunk that answers an observation."""
        ...


class PolicyActor:
    """A policy of ours as an actor.

    Args:
        policy: the policy, on any device.
        robot: whose action space it acts in; may be left out where the policy has one.

    Raises:
        InputError: the policy has no space for that robot, or several and no robot is named.
    """

    def __init__(self, policy: Policy, robot: str = "") -> None:
        self.network: torch.nn.Module = policy
        self._policy = policy
        self.space = _space(policy, robot)
        self._watch: Watch | None = None
        self._generator = torch.Generator()
        self.reset(0)

    @property
    def joint_names(self) -> tuple[str, ...]:
        """Columns of a chunk."""
        return self.space.joint_names

    @property
    def horizon(self) -> int:
        """S, rows of a chunk."""
        return self._policy.config.horizon

    def another(self) -> "PolicyActor":
        """The same policy in an episode of its own."""
        return PolicyActor(self._policy, self.space.embodiment.name)

    def reset(self, seed: int) -> None:
        """Begin an episode: noise is drawn from this seed on."""
        self._generator.manual_seed(seed)
        if self._policy.eyes is not None:
            from ate.policies.vision.watch import Watch

            self._watch = Watch(self._policy.eyes)

    def __call__(self, observation: Observation, /) -> NDArray[np.float32]:
        """The chunk `(S, joints)` of one observation.

        Raises:
            InputError: the observation has another number of joints, or not the task state of pre-training.
        """
        qpos = np.asarray(observation["qpos"], np.float32)
        if qpos.shape != (len(self.joint_names),):
            raise InputError(
                f"qpos of shape {qpos.shape}",
                where=f"observation of {self.space.embodiment.name}",
                expected=f"({len(self.joint_names)},): {', '.join(self.joint_names)}",
                fix="send the joints that the policy was trained on, in this order",
            )
        # A task state that the policy does not look at may be there.
        wanted = self._policy.config.state
        state = np.asarray(observation["state"], np.float32)[None] if wanted and "state" in observation else None
        if self._watch is not None:
            state = self._watch.given(self.space.embodiment.name, qpos[None], state, observation)
        with torch.inference_mode():
            chunk = self._policy.act(qpos[None], state, self._generator, self.space)
        return np.asarray(chunk[0], np.float32)


def reset(actor: Actor, seed: int) -> None:
    """Begin an episode, for actors that want to know; a `reset` that takes no seed is called without."""
    method = getattr(actor, "reset", None)
    if method is None:
        return
    if inspect.signature(method).parameters:
        method(seed)
    else:
        method()


def chunk_of(actor: Actor, observation: Observation) -> NDArray[np.float64]:
    """The chunk `(S, joints)` of one observation, checked; a single row `(joints,)` is a chunk of one.

    Raises:
        InputError: another shape, or a value that is not finite.
    """
    chunk: NDArray[np.float64] = np.asarray(_array(actor(observation)), dtype=np.float64)
    chunk = chunk[None] if chunk.ndim == 1 else chunk
    joints = len(observation["qpos"])
    if chunk.ndim != 2 or chunk.shape[1] != joints or not len(chunk):
        got, fix = f"a chunk of shape {chunk.shape}", "return one row a control step and one column a joint"
        raise InputError(got, where=name_of(actor), expected=f"(horizon, {joints})", fix=fix)
    if not np.isfinite(chunk).all():
        fix = "check the policy's output and its normaliser"
        raise InputError(
            "a value that is not finite", where=name_of(actor), expected="joint targets in radians", fix=fix
        )
    return chunk


def name_of(actor: Actor) -> str:
    """What messages call an actor."""
    return f"policy {getattr(actor, '__name__', type(actor).__name__)}"


def _array(chunk: Any) -> Any:
    """A tensor leaves its graph and its device."""
    return chunk.detach().cpu().numpy() if isinstance(chunk, torch.Tensor) else chunk


def _space(policy: Policy, robot: str) -> ActionSpace:
    by_name = {space.embodiment.name: space for space in policy.spaces}
    if robot and robot not in by_name:
        raise unknown(robot, by_name, where="robot of the policy")
    if not robot and len(policy.spaces) > 1:
        got, names = f"a policy of {len(by_name)} robots", ", ".join(by_name)
        raise InputError(got, where="robot of the policy", expected=f"one of {names}", fix="name it: robot=")
    return by_name[robot] if robot else policy.spaces[0]
