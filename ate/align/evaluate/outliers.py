"""Which adaptation episodes and which joints are outside the pre-training distribution."""

from dataclasses import dataclass

import numpy as np
import torch
from scipy.stats import wasserstein_distance

from ate.align.alignment import Alignment, Latents
from ate.align.evaluate.containment import MOST_POINTS, splits, subsample
from ate.align.evaluate.unseen_modes import Far
from ate.data.episodes import Episodes

NAMED = 3
# Wider than the tail that is judged: a single odd pre-training episode may be 1 % of them, and would hide all others.
TAIL = 0.05
# Chunks inside and outside that it takes to compare their joints.
FEWEST = 5


@dataclass(frozen=True)
class Outside:
    """Where the chunks that lie outside are from; the worst first.

    Args:
        share: outside chunks as a share of all; 5 % and less is what held-out pre-training has.
        episodes: share of outside chunks of each adaptation episode that has any.
        joints: distance between a joint's standardised values in outside and in inside chunks (first Wasserstein
            distance, in standard deviations over all chunks); empty where nearly all are inside, or all outside.
    """

    share: float
    episodes: dict[str, float]
    joints: dict[str, float]


def locate(alignment: Alignment, before: Latents, after: Latents, adapt: Episodes, seed: int = 0) -> Outside:
    """Find the outside chunks by a vote of five splits of the pre-training episodes, in the local spacing (`unseen`).

    Args:
        alignment: what made the latents.
        before: latents of pre-training.
        after: latents of adaptation, of all chunks of `adapt` in their order.
        adapt: the adaptation episodes.
        seed: seed of splits and subsamples.

    Raises:
        InputError: fewer than four pre-training episodes.
    """
    random = np.random.default_rng(seed)
    kept = np.sort(random.permutation(len(after))[:MOST_POINTS])
    outside = votes(before.mean, before.group, after.mean[kept], random)
    names = after.episode[kept]
    shares = {str(name): float(outside[names == name].mean()) for name in dict.fromkeys(names)}
    return Outside(
        share=float(outside.mean()),
        episodes=_worst({name: share for name, share in shares.items() if share > 0}),
        joints=_joints(alignment, adapt, kept, outside),
    )


def votes(before: np.ndarray, group: np.ndarray, after: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Whether most of five splits of pre-training (N, d), episodes `group`, find each of `after` (M, d) far, (M,)."""
    ballots = [
        Far.beyond(subsample(before[half], random), subsample(before[quarter], random), TAIL)(after.astype(np.float64))
        for half, quarter, _ in splits(group, random)
    ]
    return np.mean(ballots, axis=0) > 0.5


def _joints(alignment: Alignment, adapt: Episodes, kept: np.ndarray, outside: np.ndarray) -> dict[str, float]:
    if min(outside.sum(), (~outside).sum()) < FEWEST:
        return {}
    chunks = alignment.chunks(adapt)
    values = chunks.gather(torch.from_numpy(kept).to(chunks.rows.device)).cpu().double().numpy()
    scale = values.std((0, 1))
    distance = {
        name: float(wasserstein_distance(values[outside, :, j].ravel(), values[~outside, :, j].ravel()) / scale[j])
        for j, name in enumerate(alignment.joint_names)
        if scale[j] > 0
    }
    return _worst(distance)


def _worst(named: dict[str, float]) -> dict[str, float]:
    return dict(sorted(named.items(), key=lambda item: -item[1]))
