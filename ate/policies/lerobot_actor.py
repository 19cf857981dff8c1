"""A policy of lerobot as an actor: `--policy ate.policies.lerobot_actor:LeRobotActor --checkpoint …/pretrained_model`.

Runs where lerobot is installed. Everything that computes is lerobot's: the policy, and the processors of its
checkpoint, which normalise the observation and bring the action back.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ate.errors import InputError
from ate.policies.actor import Observation

# lerobot's name of a part of the observation → ours; pictures are observation.images.<camera>.
PARTS = {"observation.state": "qpos", "observation.environment_state": "state"}
IMAGES = "observation.images."


class LeRobotActor:
    """A checkpoint of lerobot; a chunk has the `n_action_steps` rows that lerobot carries out of one prediction.

    A policy that looks at several steps is shown the current one several times.

    Args:
        policy: a `PreTrainedPolicy`, on any device.
        before: its preprocessor.
        after: its postprocessor.
    """

    def __init__(self, policy: Any, before: Any, after: Any) -> None:
        self.network: torch.nn.Module = policy.eval()
        self._policy, self._before, self._after = policy, before, after

    @classmethod
    def load(cls, folder: str | Path) -> "LeRobotActor":
        """A folder `pretrained_model` that lerobot's trainer wrote.

        Raises:
            InputError: lerobot is not installed here, or the folder holds no checkpoint of it.
        """
        try:
            from lerobot.configs.policies import PreTrainedConfig
            from lerobot.policies.factory import get_policy_class, make_pre_post_processors
            from lerobot.utils.import_utils import register_third_party_plugins
        except ModuleNotFoundError as error:
            package = (error.name or "lerobot").partition(".")[0]
            fix = f"pip install {package}, start this command in lerobot's environment, or serve the policy from it"
            raise InputError(f"no module {error.name!r}", where=str(folder), expected="lerobot", fix=fix) from error
        if not (Path(folder) / "config.json").is_file():
            fix = "name checkpoints/…/pretrained_model of lerobot-train's output"
            raise InputError("no config.json", where=str(folder), expected="a checkpoint of lerobot", fix=fix)
        register_third_party_plugins()
        config = PreTrainedConfig.from_pretrained(folder)
        policy = get_policy_class(config.type).from_pretrained(folder, config=config)
        return cls(policy, *make_pre_post_processors(config, str(folder)))

    def reset(self, seed: int) -> None:
        """Begin an episode: lerobot draws from torch's generator."""
        torch.manual_seed(seed)

    @torch.no_grad()
    def __call__(self, observation: Observation, /) -> NDArray[np.float32]:
        """The chunk `(n_action_steps, joints)` of one observation.

        Raises:
            InputError: the observation lacks a part that the policy was trained on.
        """
        seen = self._before(self._inputs(observation))
        self._policy.reset()
        rows = [self._after(self._policy.select_action(dict(seen))) for _ in range(self._policy.config.n_action_steps)]
        return np.asarray(torch.cat(rows).cpu().numpy(), np.float32)

    def _inputs(self, observation: Observation) -> dict[str, Any]:
        inputs: dict[str, Any] = {"task": observation.get("task", "")}
        images = observation.get("images", {})
        for name in self._policy.config.input_features:
            part = PARTS.get(name, "")
            if part in observation:
                values: Any = dict(observation)[part]
                inputs[name] = torch.from_numpy(np.asarray(values, np.float32))
            elif name.removeprefix(IMAGES) in images:
                picture = torch.from_numpy(images[name.removeprefix(IMAGES)].copy())
                inputs[name] = picture.permute(2, 0, 1).float() / 255
            else:
                got, fix = f"an observation with {', '.join(observation)}", "give the policy what it was trained on"
                raise InputError(got, where="lerobot policy", expected=name, fix=fix)
        return inputs
