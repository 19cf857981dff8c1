"""Simulated sweeps whose truth is known: what the statistics say of them can be right or wrong.

    success of (training seed s, method a, rollout seed r)  ⟺  Φ(difficulty) < base + effect_a + seed_s + noise_sa
    difficulty = √situation·z_r + √interaction·z_ar + √shared·z_sr + √rest·z_sar        (standard normal)

Paired methods share demonstrations (`seed_s`), start situations (`z_r`) and most of what a policy does in them
(`z_sr`). `z_ar` makes a method better in some start situations and worse in others for all training seeds, and no
better on average over situations. Sizes are those a prototype saw: seeds differ by 8 to 11 points (SD), a method that
does nothing differs from direct by 3, others by about 8; 100 rollouts.

`benchmarks.sweep_truth` (`make truth`) prints how often the verdicts are wrong, and whether plans keep their power.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import ndtr

from ate.experiments.results import RunResult
from ate.experiments.stats.bootstrap import two_level
from ate.experiments.stats.comparisons import differences, paired, wilson
from ate.experiments.stats.pairing import gaps, outcomes
from ate.experiments.stats.power import seeds_needed
from ate.experiments.stats.selection import searched, select, validation
from ate.experiments.stats.variance_components import PAIRED
from tests.methods import method as spec

EFFECT = 0.1


@dataclass(frozen=True)
class World:
    """What is true: shares of success; standard deviations on the same scale; shares of the difficulty's variance."""

    cells: int = 20
    seeds: int = 8
    rollouts: int = 100
    base: float = 0.5
    spread: float = 0.1
    noise: float = 0.03
    situation: float = 0.3
    interaction: float = 0.0
    shared: float = 0.4
    effects: tuple[float, ...] = ()

    def success(self, rng: np.random.Generator, seeds: int, effects: np.ndarray) -> np.ndarray:
        """`(1 + cells, seeds, rollouts)`, λ = 0 first; rollout seeds drawn anew."""
        methods, rollouts = 1 + self.cells, self.rollouts
        noise = self.noise * rng.standard_normal((methods, seeds, 1))
        noise[0] = 0
        level = self.base + effects[:, None, None] + self.spread * rng.standard_normal((1, seeds, 1)) + noise
        parts = {(1, 1): self.situation, (methods, 1): self.interaction, (1, seeds): self.shared}
        parts[methods, seeds] = 1 - sum(parts.values())
        difficulty = sum(math.sqrt(w) * rng.standard_normal((*shape, rollouts)) for shape, w in parts.items())
        return ndtr(difficulty) < level

    def sweep(self, rng: np.random.Generator, seeds: int | None = None, first: int = 0) -> list[RunResult]:
        """Results of all methods for training seeds first, first + 1, …, from start situations of their own."""
        count = seeds or self.seeds
        effects = np.zeros(1 + self.cells)
        effects[1 : 1 + len(self.effects)] = self.effects
        success = self.success(rng, count, effects)
        return [run(a, first + s, success[a, s]) for a in range(1 + self.cells) for s in range(count)]


def run(method: int, seed: int, success: np.ndarray) -> RunResult:
    closest, nothing = (0.1,) * len(success), {"joint": 0.01}
    return RunResult(
        spec(f"cell {method}", 1.0) if method else spec("direct", 0.0), seed, "sample", 5, tuple(success.tolist()),
        closest, (), (), nothing, 1.0,
    )  # fmt: skip


def split(results: list[RunResult], seeds: int) -> tuple[list[RunResult], list[RunResult]]:
    return [r for r in results if r.seed < seeds], [r for r in results if r.seed >= seeds]


@dataclass(frozen=True)
class Errors:
    """How many of `sweeps` without effect said it, and how many intervals of one cell held 0, or were not given.

    The winner is looked at again on held-out training seeds, from new start situations (`validated`) or from those it
    was chosen in (`same_starts`).
    """

    sweeps: int
    helps: int
    hurts: int
    validated: int
    same_starts: int
    interval: int
    over_seeds: int
    bootstrap: int


def without_effect(world: World, sweeps: int, seed: int = 0) -> Errors:
    """Sweeps in which every effect is 0; each winner is looked at again on as many held-out training seeds."""
    rng, told = np.random.default_rng(seed), np.zeros(7, int)
    for _ in range(sweeps):
        search, same = split(world.sweep(rng, 2 * world.seeds), world.seeds)
        held_out = world.sweep(rng, first=world.seeds)
        rows = searched(search)
        verdicts = {row.verdict for row in rows}
        again = [validation(search, other).verdict == "helps" for other in (held_out, same)]
        _, low, high = paired(rows[0].by_seed)
        drawn = two_level(
            gaps(outcomes([r for r in search if r.method in ("direct", "cell 1")]), "cell 1", "direct"), PAIRED
        )
        told += [
            "helps" in verdicts, "hurts" in verdicts, *again,
            rows[0].low <= 0 <= rows[0].high, low <= 0 <= high, drawn.low <= 0 <= drawn.high,
        ]  # fmt: skip
    return Errors(sweeps, *told.tolist())


@dataclass(frozen=True)
class Kept:
    """How many of `plans` the new runs said "helps" of a method that has the effect, and the median seeds planned."""

    plans: int
    helps: int
    seeds: float


def planned(world: World, plans: int, comparisons: int, pilot: int = 8, seed: int = 0) -> Kept:
    """Plan from a pilot of one method, run what was planned, see whether the method with the effect "helps".

    With `comparisons` above 1 the method is one cell of a grid whose other cells have no effect.
    """
    rng, counts, helps = np.random.default_rng(seed), [], 0
    world = replace(world, cells=comparisons, effects=(EFFECT,))
    for _ in range(plans):
        (seen,) = differences(replace(world, cells=1).sweep(rng, pilot))
        count = seeds_needed(seen.spread, EFFECT, comparisons)
        counts.append(count)
        rows = {row.method: row for row in differences(world.sweep(rng, count))}
        helps += rows["cell 1"].verdict == "helps"
    return Kept(plans, helps, float(np.median(counts)))


def found(world: World, sweeps: int, seed: int = 0) -> tuple[int, int, int]:
    """Sweeps in which one cell has the effect: how many say so, choose it, and validate it on held-out seeds."""
    rng, told = np.random.default_rng(seed), np.zeros(3, int)
    world = replace(world, effects=(EFFECT,))
    for _ in range(sweeps):
        search, held_out = world.sweep(rng), world.sweep(rng, first=world.seeds)
        rows = {row.method: row for row in searched(search)}
        chosen = select(search) == "cell 1"
        again = chosen and validation(search, held_out).verdict == "helps"
        told += [rows["cell 1"].verdict == "helps", chosen, again]
    return tuple(told.tolist())


ACTING = World(noise=0.08)
WORLDS = {
    "does nothing: noise 3 points": World(),
    "acts: noise 8 points": ACTING,
    "better here, worse there": World(interaction=0.3, shared=0.2),
    "the same, noise 8 points": World(noise=0.08, interaction=0.3, shared=0.2),
    "near 100 %": World(base=0.97, spread=0.03),
    "near 0 %": World(base=0.03, spread=0.03),
    "3 training seeds": World(noise=0.08, seeds=3),
    "10 rollouts": World(noise=0.08, rollouts=10),
}


def false_verdicts(name: str, world: World, sweeps: int) -> tuple[str, float]:
    """A line of the first table, and the larger share of false "helps", in a sweep or on held-out seeds."""
    e = without_effect(world, sweeps)
    told = (e.helps, e.hurts, e.validated, e.same_starts, e.interval, e.bootstrap, e.over_seeds)
    shares = [value / sweeps for value in told]
    form = "{:30}  {:5.1%}  {:5.1%}  {:9.1%}  {:20.1%} | {:14.1%}  {:9.1%}  {:18.1%}"
    return form.format(name, *shares), max(shares[0], shares[2])


def kept_power(name: str, world: World, comparisons: int, plans: int) -> tuple[str, float]:
    """A line of the second table, and the upper end of the 95 % interval of the power that the plans had."""
    kept = planned(world, plans, comparisons)
    low, high = wilson(kept.helps, plans)
    share = f"{kept.helps / plans:.1%} (95 % {low:.1%} to {high:.1%})"
    return f"{name}, {comparisons:2} comparisons: median {kept.seeds:.0f} seeds, helps in {share}", high


def one_in_many(name: str, world: World, sweeps: int) -> str:
    helps, chosen, validated = (value / sweeps for value in found(world, sweeps))
    return (
        f"{name}, one cell of {world.cells} over {world.seeds} seeds: helps in {helps:.1%}; chosen in {chosen:.1%}; "
        f"chosen and validated on {world.seeds} held-out seeds in {validated:.1%}"
    )
