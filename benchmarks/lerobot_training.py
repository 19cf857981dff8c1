"""lerobot's DiffusionPolicy, trained by its own classes on a data set that `ate retarget` wrote, then rolled out.

Everything that learns is lerobot's: the data set, statistics, processors, policy, loss and optimiser's preset. What is
ours is the data set's content and the simulated scene that judges the policy.

python -m benchmarks.lerobot_training DATASET --robot ur5e [--task lift] [--steps N] [--rollouts N]
"""

import argparse
import itertools
import time
from pathlib import Path

import numpy as np
import torch

from ate.experiments.stats.comparisons import wilson
from ate.sim.rollout import rollout
from tests.lerobot.policies import import_torchvision

HORIZON, EXECUTE, BATCH = 16, 8, 64


def trained(folder: Path, steps: int):
    """A policy after `steps` steps on the data set, with what turns observations into its inputs and back."""
    from lerobot.configs.types import FeatureType
    from lerobot.datasets.lerobot_dataset import LeRobotDataset, LeRobotDatasetMetadata
    from lerobot.datasets.utils import dataset_to_policy_features
    from lerobot.policies.diffusion.configuration_diffusion import DiffusionConfig
    from lerobot.policies.diffusion.modeling_diffusion import DiffusionPolicy
    from lerobot.policies.diffusion.processor_diffusion import make_diffusion_pre_post_processors

    meta = LeRobotDatasetMetadata("local/retargeted", root=folder)
    features = dataset_to_policy_features(meta.features)
    outputs = {name: value for name, value in features.items() if value.type is FeatureType.ACTION}
    config = DiffusionConfig(
        input_features={name: value for name, value in features.items() if name not in outputs},
        output_features=outputs, horizon=HORIZON, n_action_steps=EXECUTE, n_obs_steps=1, device="cpu",
        down_dims=(64, 128), num_train_timesteps=100, num_inference_steps=10, noise_scheduler_type="DDIM",
        prediction_type="sample", use_film_scale_modulation=True,
    )  # fmt: skip
    policy = DiffusionPolicy(config)
    before, after = make_diffusion_pre_post_processors(config, dataset_stats=meta.stats)
    seconds = {
        **{name: [i / meta.fps for i in config.observation_delta_indices] for name in config.input_features},
        "action": [i / meta.fps for i in config.action_delta_indices],
    }
    data = LeRobotDataset("local/retargeted", root=folder, delta_timestamps=seconds)
    optimizer = config.get_optimizer_preset().build(policy.get_optim_params())
    scheduler = config.get_scheduler_preset().build(optimizer, steps)
    loader = torch.utils.data.DataLoader(data, batch_size=BATCH, shuffle=True, drop_last=True)
    endless = itertools.chain.from_iterable(itertools.repeat(loader))
    policy.train()
    losses = []
    began = time.perf_counter()
    for step, batch in zip(range(steps), endless, strict=False):
        loss, _ = policy.forward(before(batch))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(policy.parameters(), 10.0)
        optimizer.step()
        optimizer.zero_grad()
        scheduler.step()
        losses.append(float(loss))
        if (step + 1) % max(1, steps // 10) == 0:
            recent = np.mean(losses[-max(1, steps // 10) :])
            print(f"step {step + 1}: loss {recent:.5f}, {time.perf_counter() - began:.0f} s", flush=True)
    return policy.eval(), before, after


def main() -> None:
    """Train, roll out, and print how often the robot succeeds."""
    parser = argparse.ArgumentParser()
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--robot", required=True)
    parser.add_argument("--task", default="lift")
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--rollouts", type=int, default=50)
    given = parser.parse_args()
    torch.manual_seed(0)
    import_torchvision()
    import lerobot

    policy, before, after = trained(given.dataset, given.steps)

    def chunk(qpos: np.ndarray, state: np.ndarray | None) -> np.ndarray:
        observed = {"observation.state": torch.from_numpy(qpos).float()}
        if state is not None:
            observed["observation.environment_state"] = torch.from_numpy(state).float()
        observed = {name: value for name, value in observed.items() if name in policy.config.input_features}
        with torch.no_grad():
            policy.reset()
            inputs = {name: value[:, None] for name, value in before(observed).items() if name in observed}
            actions = policy.diffusion.generate_actions(inputs)
        return after(actions).numpy()

    outcome = rollout(chunk, given.robot, given.task, range(given.rollouts), execute=EXECUTE, threads=1)
    successes = int(outcome.success.sum())
    low, high = wilson(successes, given.rollouts)
    print(
        f"lerobot {lerobot.__version__}, DiffusionPolicy, {given.steps} steps of {BATCH} on {given.dataset.name}: "
        f"{given.robot}, {given.task}, {successes} of {given.rollouts} rollouts succeed ({low:.0%} to {high:.0%})"
    )


if __name__ == "__main__":
    main()
