"""Open-loop evaluation: denoised chunks against what the demonstrator did next, per joint in radians."""

import numpy as np
import torch

from ate.data.episodes import Episodes
from ate.policies.policy import Policy
from ate.steer.batches import TrainingData

# Evenly spread observations are enough: neighbouring steps of one episode say almost the same.
SAMPLES = 512
# Observations that are sampled several times over, and how often.
PLACES, DRAWS = 64, 16


def open_loop(policy: Policy, held_out: Episodes, seed: int = 0) -> dict[str, float]:
    """Mean absolute error of sampled chunks on held-out episodes.

    Args:
        policy: fine-tuned on this robot (its first action space).
        held_out: episodes it has not seen.
        seed: of the initial noise, so that policies are compared on the same draws.

    Returns:
        Error by joint name, in the data's units (radians for joints), mean over S steps and samples; joints that never
        moved in training are left out: their error of 0 says nothing.
    """
    space = policy.spaces[0]
    device = next(policy.parameters()).device
    data = TrainingData.of(policy, [held_out], [space], device)
    rows = torch.linspace(0, len(data) - 1, min(SAMPLES, len(data)), device=device).long()
    generator = torch.Generator().manual_seed(seed)
    mask = torch.from_numpy(space.mask).to(device)
    predicted = space.decode(policy.denoise(data.observation[rows], mask, generator)).cpu().numpy()
    actual = space.decode(data.chunks.gather(data.chunk_of[rows])).cpu().numpy()
    errors = np.abs(predicted - actual).mean(axis=(0, 1))
    named = zip(space.embodiment.joint_names, errors, space.normalizer.constant, strict=True)
    return {name: float(error) for name, error, constant in named if not constant}


def spread(policy: Policy, held_out: Episodes, seed: int = 0) -> np.ndarray:
    """How far chunks sampled for one and the same observation lie apart.

    Args:
        policy: acting in its first action space.
        held_out: episodes it has not seen.
        seed: of the initial noise.

    Returns:
        Standard deviation over 16 draws, mean over S steps and the joints that move, normalised units: one value for
        each of at most 64 evenly spread observations.
    """
    space = policy.spaces[0]
    device = next(policy.parameters()).device
    data = TrainingData.of(policy, [held_out], [space], device)
    rows = torch.linspace(0, len(data) - 1, min(PLACES, len(data)), device=device).long()
    mask = torch.from_numpy(space.mask).to(device)
    observation = data.observation[rows].repeat_interleave(DRAWS, 0)
    chunks = policy.denoise(observation, mask, torch.Generator().manual_seed(seed))
    deviation = chunks[..., mask].unflatten(0, (len(rows), DRAWS)).std(1)
    return deviation.mean((1, 2)).cpu().numpy()
