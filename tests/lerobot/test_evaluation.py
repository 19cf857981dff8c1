"""What lerobot's own evaluation writes is read back, episode by episode: two tasks, one after the other and at once.

Replaced, and nothing else: the policy, which sends zeros, and the environment, which decides by its seed.
"""

import json

import gymnasium
import numpy as np
import pytest
import torch

pytest.importorskip("lerobot", reason="lerobot has an environment of its own: make lerobot")

from ate.experiments.lerobot_runs import successes
from tests.lerobot.policies import import_torchvision

STEPS, EPISODES, SEED = 3, 5, 40


class Decided(gymnasium.Env):
    """Three steps; the episode succeeds where its seed can be divided by `every`."""

    metadata = {"render_fps": 20, "render_modes": []}  # noqa: RUF012, gymnasium's name
    observation_space = gymnasium.spaces.Dict({"agent_pos": gymnasium.spaces.Box(-1, 1, (2,), np.float64)})
    action_space = gymnasium.spaces.Box(-1, 1, (2,), np.float32)
    task, task_description, _max_episode_steps = "decide", "decide by the seed", STEPS

    def __init__(self, every):
        self.every = every

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.row, self.drawn = 0, seed if seed is not None else 1
        return {"agent_pos": np.zeros(2)}, {}

    def step(self, action):
        self.row += 1
        over = self.row == STEPS
        won = over and self.drawn % self.every == 0
        return {"agent_pos": np.zeros(2)}, float(won), over, False, {"is_success": won}


def still():
    from lerobot.policies.diffusion.configuration_diffusion import DiffusionConfig
    from lerobot.policies.pretrained import PreTrainedPolicy

    class Still(PreTrainedPolicy):
        config_class, name = DiffusionConfig, "still"

        def reset(self):
            pass

        def get_optim_params(self):
            return {}

        def forward(self, batch):
            raise NotImplementedError

        def predict_action_chunk(self, batch):
            raise NotImplementedError

        def select_action(self, batch):
            return torch.zeros(len(batch["observation.state"]), 2)

    return Still(DiffusionConfig(device="cpu"))


@pytest.mark.parametrize("at_once", [1, 2])
def test_each_episode_of_an_evaluation_is_read(at_once, tmp_path):
    import_torchvision()
    from lerobot.scripts.lerobot_eval import eval_policy_all

    def task(every):
        mode = gymnasium.vector.AutoresetMode.SAME_STEP
        return gymnasium.vector.SyncVectorEnv([lambda: Decided(every)] * 2, autoreset_mode=mode)

    written = eval_policy_all(
        {"sim": {0: task(2), 1: task(3)}}, still(), *[lambda part: part] * 4, n_episodes=EPISODES, start_seed=SEED,
        max_parallel_tasks=at_once,
    )  # fmt: skip
    file = tmp_path / "eval_info.json"
    file.write_text(json.dumps(written, indent=2))
    truth = [seed % every == 0 for every in (2, 3) for seed in range(SEED, SEED + EPISODES)]
    assert list(successes(file)) == truth and 0 < sum(truth) < len(truth)
    assert np.isclose(written["overall"]["pc_success"], 100 * np.mean(truth))
    # Tasks that end in another order are the same evaluation.
    file.write_text(json.dumps({**written, "per_task": written["per_task"][::-1]}))
    assert list(successes(file)) == truth
