"""Modes: which mode of the prior each chunk is in, the composition of the modes, and their occupancy by adaptation.

A chunk belongs to mode k with probability ρ_k ∝ w_k exp(−KL(q(z|a) ‖ N_k)). This is relative: a chunk far from all
modes has a mode too. Its distance is measured by the expected log density E_q[log p(z)], more exactly by a lower bound
in closed form.

Occupancy is the mean of ρ over chunks. Its null is the occupancy of *one* pre-training robot's held-out episodes,
because a single robot, like the adaptation robot, need not visit all modes. As many episodes as the adaptation set has
are sampled with replacement, from each robot in turn.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ate.align.alignment import Alignment, Sets, as_sets
from ate.align.latents import Latents
from ate.align.mixture import Prior, as_mixture
from ate.align.vae import Posterior
from ate.data.episodes import Episodes
from ate.errors import InputError

BATCH = 512
SAMPLES = 200
TAIL = 0.01
# Episodes named in the composition of a mode, those with the largest part in it.
NAMED = 5


@dataclass(frozen=True, eq=False)
class Membership:
    """Modes of chunks.

    Args:
        probability: ρ, (N, K), rows summing to 1.
        density: lower bound of E_q[log p(z)] in nats, (N,).
    """

    probability: np.ndarray
    density: np.ndarray

    @property
    def mode(self) -> np.ndarray:
        """The most probable mode of each chunk, int64 (N,)."""
        return self.probability.argmax(1)

    @property
    def certainty(self) -> np.ndarray:
        """Probability of the most probable mode, (N,)."""
        return self.probability.max(1)

    @property
    def occupancy(self) -> np.ndarray:
        """Share of all chunks in each mode, (K,)."""
        return self.probability.mean(0)


@dataclass(frozen=True)
class Mode:
    """Composition of a mode.

    Args:
        mode: its number; 0 has the largest weight.
        weight: its weight in the prior.
        share: its share of the chunks.
        robots: share of each robot in the mode, largest first.
        tasks: the same of each task; empty where no tasks were given.
        episodes: the same of the episodes with the largest part, named `robot/episode`.
        episode_count: effective number of episodes, exp of the entropy of their shares.
        start: quartiles of the step at which its chunks start.
    """

    mode: int
    weight: float
    share: float
    robots: Mapping[str, float]
    tasks: Mapping[str, float]
    episodes: Mapping[str, float]
    episode_count: float
    start: tuple[float, float, float]


@dataclass(frozen=True, eq=False)
class ModeReport:
    """Modes of an alignment and how adaptation occupies them.

    Args:
        modes: composition of each, by all pre-training chunks.
        pretrain: occupancy by pre-training chunks, (K,).
        adapt: occupancy by adaptation chunks, (K,).
        membership: of all adaptation chunks.
        table: rows with `measure`, `value`, `null`, `null_low`, `null_high` (5 and 95 %) and `unit`.
    """

    modes: tuple[Mode, ...]
    pretrain: np.ndarray
    adapt: np.ndarray
    membership: Membership
    table: tuple[Mapping[str, Any], ...]

    def value(self, measure: str) -> float:
        """The value of one row."""
        return float(next(row["value"] for row in self.table if row["measure"] == measure))


def membership(prior: Prior, latents: Latents) -> Membership:
    """Modes of chunks by their posteriors; a Gaussian prior is one mode."""
    mixture = as_mixture(prior).to("cpu")
    probability, density = [], []
    half = 0.5 * latents.mean.shape[1] * (1.0 + math.log(2.0 * math.pi))
    means, stds = torch.from_numpy(latents.mean), torch.from_numpy(latents.std)
    for mean, std in zip(means.split(BATCH), stds.split(BATCH), strict=True):
        posterior = Posterior(mean, std)
        probability.append(mixture.responsibilities(posterior))
        density.append(-mixture.kl(posterior) - std.log().sum(1) - half)
    return Membership(torch.cat(probability).double().numpy(), torch.cat(density).double().numpy())


def composition(
    prior: Prior, latents: Latents, tasks: Sequence[str] = (), known: Membership | None = None
) -> tuple[Mode, ...]:
    """What each mode is made of, chunks counted by their probability of being in it.

    Args:
        prior: its modes.
        latents: of pre-training chunks.
        tasks: name of the task of each set, in order; none leaves tasks out.
        known: membership of the latents, if it is known already.

    Raises:
        InputError: not one task a set.
    """
    members = membership(prior, latents) if known is None else known
    names = np.char.add(np.char.add(latents.robot.astype(str), "/"), latents.episode.astype(str))
    sets = int(latents.set.max()) + 1
    if len(tasks) not in (0, sets):
        raise InputError(
            f"{len(tasks)} tasks for {sets} sets",
            where="composition of modes",
            expected="one task a set, or none",
            fix="name the task of each pre-training set in order",
        )
    modes = []
    for k, weight in enumerate(as_mixture(prior).weights.tolist()):
        share = members.probability[:, k]
        parts = share / max(share.sum(), np.finfo(float).tiny)
        entropy = entropy_of(np.array(list(_shares(latents.group.astype(str), parts).values())))
        robots, by_task = (
            _shares(latents.robot, parts),
            _shares(np.array(tasks)[latents.set], parts) if len(tasks) else {},
        )
        named, start = dict(list(_shares(names, parts).items())[:NAMED]), _quartiles(latents.start, parts)
        modes.append(Mode(k, weight, float(share.mean()), robots, by_task, named, math.exp(entropy), start))
    return tuple(modes)


def mode_report(
    alignment: Alignment, pretrain: Sets, adapt: Episodes, tasks: Sequence[str] = (), seed: int = 0
) -> ModeReport:
    """Modes of the prior, their composition, and their occupancy by adaptation, compared with one robot's null.

    Args:
        alignment: whose prior has the modes; with a Gaussian prior there is one.
        pretrain: the sets it was trained on; the held-out episodes are the null, or all if there are none.
        adapt: episodes of the adaptation robot.
        tasks: name of the task of each pre-training set, in order.
        seed: seed of the null's samples.
    """
    sets = as_sets(pretrain)
    pretrain_latents, adapt_latents = alignment.encode_pretrain(sets), alignment.encode(adapt)
    in_pretrain, in_adapt = membership(alignment.prior, pretrain_latents), membership(alignment.prior, adapt_latents)
    is_held = _held(alignment, sets, pretrain_latents)
    null = is_held if is_held.any() else np.ones(len(pretrain_latents), bool)
    episodes = len(np.unique(adapt_latents.group))
    return ModeReport(
        composition(alignment.prior, pretrain_latents, tasks, in_pretrain),
        in_pretrain.occupancy,
        in_adapt.occupancy,
        in_adapt,
        occupancy_table(in_pretrain, pretrain_latents, null, in_adapt, episodes, seed),
    )


def occupancy_table(
    pretrain: Membership, latents: Latents, null: np.ndarray, adapt: Membership, episodes: int, seed: int = 0
) -> tuple[Mapping[str, Any], ...]:
    """How adaptation occupies the modes, each number with its null.

    Args:
        pretrain: membership of pre-training chunks.
        latents: their latents.
        null: which of them the null is sampled from, boolean (N,); the others set the reference, if there are any.
        adapt: membership of adaptation chunks.
        episodes: episodes of the adaptation set, and of each sample of the null.
        seed: seed of the samples.
    """
    reference = np.flatnonzero(~null) if not null.all() else np.arange(len(null))
    threshold = float(np.quantile(pretrain.density[reference], TAIL))
    weights = pretrain.probability[reference].mean(0)
    measures: dict[str, tuple[Callable[[Membership], float], str]] = {
        "entropy of occupancy": (lambda m: entropy_of(m.occupancy), "nats"),
        "effective modes": (lambda m: math.exp(entropy_of(m.occupancy)), f"of {len(weights)}"),
        "distance of occupancy to pre-training": (
            lambda m: float(0.5 * np.abs(m.occupancy - weights).sum()),
            "total variation, 0 to 1",
        ),
        "certainty of mode": (lambda m: float(m.certainty.mean()), "mean probability of the likeliest"),
        "share outside all modes": (
            lambda m: float((m.density < threshold).mean()),
            "below the 1 % quantile of pre-training density",
        ),
    }
    random = np.random.default_rng(seed)
    samples = [_sample(pretrain, latents, null, episodes, i, random) for i in range(SAMPLES)]
    rows = []
    for name, (measure, unit) in measures.items():
        values = [measure(sample) for sample in samples]
        low, high = np.quantile(values, [0.05, 0.95])
        null_row = {"null": float(np.mean(values)), "null_low": float(low), "null_high": float(high)}
        rows.append({"measure": name, "value": measure(adapt), **null_row, "unit": unit})
    return tuple(rows)


def entropy_of(shares: np.ndarray) -> float:
    """−Σ p log p in nats."""
    positive = shares[shares > 0]
    return float(-(positive * np.log(positive)).sum()) + 0.0


def _sample(
    pretrain: Membership, latents: Latents, null: np.ndarray, episodes: int, number: int, random: np.random.Generator
) -> Membership:
    """Chunks of that many episodes of one robot's set, sampled with replacement; the sets take turns."""
    sets = np.unique(latents.set[null])
    of_robot = np.flatnonzero(null & (latents.set == sets[number % len(sets)]))
    groups = np.unique(latents.group[of_robot])
    rows = {g: of_robot[latents.group[of_robot] == g] for g in groups}
    index = np.concatenate([rows[g] for g in random.choice(groups, episodes)])
    return Membership(pretrain.probability[index], pretrain.density[index])


def _held(alignment: Alignment, sets: Sequence[Episodes], latents: Latents) -> np.ndarray:
    """Which pre-training chunks are of episodes that stage 1 did not train on, boolean (N,)."""
    names = [space.embodiment.name for space in alignment.pretrain_spaces]
    result = np.zeros(len(latents), bool)
    for i, episodes in enumerate(sets):
        position = i if [s.robot for s in sets] == names else names.index(episodes.robot)
        kept = alignment.held_out.get(f"pretrain/{position}", ())
        result |= (latents.set == i) & np.isin(latents.episode, list(kept))
    return result


def _shares(names: np.ndarray, parts: np.ndarray) -> dict[str, float]:
    """Sums of parts by name, largest first, without zeros."""
    unique, inverse = np.unique(names, return_inverse=True)
    sums = np.bincount(inverse, parts, len(unique))
    return {str(unique[i]): float(sums[i]) for i in np.argsort(-sums, kind="stable") if sums[i] > 0}


def _quartiles(values: np.ndarray, parts: np.ndarray) -> tuple[float, float, float]:
    """Weighted quartiles, (0, 0, 0) where nothing has weight."""
    order = np.argsort(values, kind="stable")
    up = np.cumsum(parts[order])
    if up[-1] <= 0:
        return 0.0, 0.0, 0.0
    index = np.searchsorted(up, up[-1] * np.array([0.25, 0.5, 0.75]))
    first, second, third = (float(v) for v in values[order][np.minimum(index, len(values) - 1)])
    return first, second, third
