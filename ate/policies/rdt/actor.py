"""A fine-tuned RDT as an actor: `--policy ate.policies.rdt.actor:RDTActor --checkpoint runs/rdt`.

Of a camera it is shown the present picture, and the background colour for the row before, as at the start of an
episode: an observation has one picture a camera.
"""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ate.errors import InputError
from ate.policies.actor import Observation
from ate.policies.rdt.tuned_policy import TunedPolicy
from ate.runs.device import pick


class RDTActor:
    """A chunk has the S rows of the policy's horizon, in the robot's own columns and units.

    Args:
        policy: on any device.
    """

    def __init__(self, policy: TunedPolicy) -> None:
        self._policy = policy
        self.network: torch.nn.Module = policy.runner.eval()
        self.joint_names = policy.robot.joint_names
        self._device = next(policy.runner.parameters()).device
        self._words = dict(policy.words)
        self._background: Tensor | None = None
        self._generator = torch.Generator()
        self.reset(0)

    @classmethod
    def load(cls, path: str | Path) -> "RDTActor":
        """The folder of a run of `ate rdt`, or its policy.safetensors; errors as `TunedPolicy.load`."""
        return cls(TunedPolicy.load(path, pick()))

    def reset(self, seed: int) -> None:
        """Begin an episode: noise is drawn from this seed on."""
        self._generator.manual_seed(seed)

    @torch.inference_mode()
    def __call__(self, observation: Observation, /) -> NDArray[np.float32]:
        """The chunk `(S, joints)` of one observation.

        Raises:
            InputError: other joints, no picture of a camera that it was trained on, or words that it cannot read.
        """
        policy, config = self._policy, self._policy.runner.config
        qpos = np.asarray(observation["qpos"], np.float32)
        if qpos.shape != (len(self.joint_names),):
            raise InputError(
                f"qpos of shape {qpos.shape}", where=f"observation of {policy.robot.name}",
                expected=f"({len(self.joint_names)},): {', '.join(self.joint_names)}",
                fix="send the joints that the policy was trained on, in this order",
            )  # fmt: skip
        words, pictures = self._spoken(observation.get("task", "")), self._seen(observation.get("images", {}))
        mask = torch.from_numpy(policy.robot.used.astype(np.float32))[None, None]
        state = torch.from_numpy(policy.robot.scatter(qpos))[None, None]
        noise = torch.randn(1, config.pred_horizon, config.action_dim, generator=self._generator)
        inputs = (tensor.to(self._device) for tensor in (pictures[None], state, mask, noise))
        seen, state, mask, noise = inputs
        with torch.autocast(self._device.type, torch.bfloat16, enabled=_half(policy)):
            chunk = policy.runner.predict_action(
                words[None].to(self._device), None, seen, state, mask,
                torch.tensor([policy.rate_hz], device=self._device), noise=noise,
            )  # fmt: skip
        return np.asarray(policy.robot.gather(chunk[0].float().cpu()), np.float32)

    def _spoken(self, task: str) -> Tensor:
        """Tokens of an instruction; of the only one that it was trained on where none is given."""
        known = [text for text in self._words if text]
        text = task if self._policy.language else ""
        if self._policy.language and not text:
            text = known[0] if len(known) == 1 else ""
        if text not in self._words:
            assert self._policy.language is not None
            self._words[text] = self._policy.language(text)
        return self._words[text]

    def _seen(self, images: dict[str, NDArray[np.uint8]]) -> Tensor:
        """Tokens of the pictures, `(history · places · patches, width)`."""
        policy, config = self._policy, self._policy.runner.config
        if policy.vision is None:
            return torch.zeros(config.img_cond_len, config.img_token_dim)
        missing = [name for name in policy.cameras if name and name not in images]
        if missing:
            raise InputError(
                f"pictures of {', '.join(images) or 'no camera'}", where=f"observation of {policy.robot.name}",
                expected=f"one of {missing[0]!r}, on which the policy was trained",
                fix="roll out where the cameras are, or fine-tune without --vision",
            )  # fmt: skip
        if self._background is None:
            self._background = policy.vision(policy.vision.background[None])[0]
        absent = self._background
        tokens = [absent] * (policy.release.places - policy.release.cameras)
        tokens += [policy.vision(images[name][None])[0] if name else absent for name in policy.cameras]
        return torch.cat(tokens)


def _half(policy: TunedPolicy) -> bool:
    return next(policy.runner.parameters()).dtype == torch.bfloat16
