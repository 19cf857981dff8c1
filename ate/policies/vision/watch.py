"""Watch: eyes over episodes from their start to their end."""

from collections.abc import Mapping
from typing import Any

from ate.errors import InputError
from ate.policies.vision.camera_eyes import CameraEyes
from ate.policies.vision.eyes import Eyes, Floats, Scene
from ate.sim.tasks import STATE_NAMES


class Watch:
    """Eyes over N episodes that run side by side: markers and words stay what they were at the start."""

    def __init__(self, eyes: Eyes | CameraEyes) -> None:
        self._eyes = eyes
        self._scene: Scene | None = None

    def see(self, robot: str, qpos: Floats, state: Floats) -> Floats:
        """As `Eyes.see`; the first call is of the first states.

        Raises:
            InputError: another number of episodes than in the first call, or eyes that no scene is drawn for.
        """
        eyes = self._eyes
        if isinstance(eyes, CameraEyes):
            raise _undrawn(eyes)
        if self._scene is None:
            self._scene = eyes.scene(state)
        if len(self._scene.words) != len(state):
            raise InputError(
                f"{len(state)} episodes", where="eyes", expected=f"the {len(self._scene.words)} of the first call",
                fix="take a new function of `Policy.acting` for every rollout",
            )  # fmt: skip
        return eyes.see(robot, qpos, state, self._scene)

    def drawn(self, robot: str, qpos: Floats, state: Floats | None) -> Floats:
        """As `see`, of what a simulator tells.

        Raises:
            InputError: it tells no state of the tasks of `ate.sim`, from which pictures are drawn, or the eyes are for
                recorded ones.
        """
        if isinstance(self._eyes, CameraEyes):
            raise _undrawn(self._eyes)
        columns = 0 if state is None else state.shape[-1]
        if state is None or columns != len(STATE_NAMES):
            raise InputError(
                f"{columns} columns of state", where="eyes", expected=f"the {len(STATE_NAMES)} of the tasks of ate.sim",
                fix="roll out in the simulator of ate.sim, or give an actor the pictures themselves",
            )  # fmt: skip
        return self.see(robot, qpos, state)

    def given(self, robot: str, qpos: Floats, state: Floats | None, observation: Mapping[str, Any]) -> Floats | None:
        """What a policy is shown of one observation of `ate.policies.actor`, `(1, columns)`.

        Pictures of all cameras with an instruction are looked at as they are; else those of the simulator's state are
        drawn; a state that was seen already stays.

        Raises:
            InputError: pictures without an instruction, or of another size; none where none can be drawn.
        """
        images, eyes = observation.get("images", {}), self._eyes
        if images and set(eyes.needed) <= set(images):
            if eyes.listens and not observation.get("task"):
                raise InputError(
                    "pictures without an instruction", where=f"observation of {robot}",
                    expected="what is to be done, in words", fix="give it as task, say task='lift the cube'",
                )  # fmt: skip
            return eyes.of_images(robot, qpos, images, str(observation.get("task", "")))
        if isinstance(eyes, CameraEyes) and state is None:
            raise _undrawn(eyes)
        if isinstance(eyes, CameraEyes) or state is None or state.shape[1] != len(STATE_NAMES):
            return state
        return self.see(robot, qpos, state)


def _undrawn(eyes: CameraEyes) -> InputError:
    return InputError(
        "no pictures", where="eyes",
        expected=f"those of {', '.join(eyes.cameras)}: nothing is drawn for a policy that was trained on recorded ones",
        fix="give an actor the pictures as images of its observation",
    )  # fmt: skip
