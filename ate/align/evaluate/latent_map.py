"""LatentMap: latents of both sides with all that a person asks of a point: who, where in its episode, in which mode,
how deep inside pre-training, what the chunk does, what becomes of it when it is decoded, and what lies beside it.

Adaptation chunks are there twice, as stage 2 found them (*before*) and as it left them (*after*). Distances are those
of correspondence: between posterior means, each dimension in units of the aggregated pre-training posterior's standard
deviation.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from sklearn.neighbors import NearestNeighbors

from ate.align.alignment import Alignment, Latents, Sets, as_sets
from ate.align.evaluate.containment import NEIGHBOURS
from ate.align.evaluate.mode_occupancy import membership
from ate.align.evaluate.projection import balanced
from ate.align.mixture import Prior
from ate.align.motion import Motion
from ate.align.training import second_start
from ate.align.vae import InfoVAE
from ate.data.episodes import Episodes
from ate.data.space import ActionSpace


@dataclass(frozen=True, eq=False)
class LatentMap:
    """Points to show: at first the pre-training ones, then the adaptation ones.

    Args:
        alignment: what made the latents.
        pretrain: sets of the pre-training robots.
        adapt: episodes of the adaptation robot.
        before: pre-training latents under φ, thinned.
        start: adaptation latents as stage 2 found them, thinned.
        after: the same chunks as it left them.
        modes: prior whose modes the points are told by.
        totals: chunks there are on either side, of which the latents are a sample.
    """

    alignment: Alignment
    pretrain: tuple[Episodes, ...]
    adapt: Episodes
    before: Latents
    start: Latents
    after: Latents
    modes: Prior
    totals: tuple[int, int]

    @classmethod
    def of(
        cls,
        alignment: Alignment,
        pretrain: Sets,
        adapt: Episodes,
        most: int = 2000,
        seed: int = 0,
        modes: Prior | None = None,
    ) -> "LatentMap":
        """Encode both sides.

        Args:
            alignment: what to show.
            pretrain: episodes of the pre-training robots.
            adapt: episodes of the adaptation robot.
            most: points kept of each side; a random sample in equal shares of chunks.
            seed: of the sample.
            modes: prior that tells modes; the alignment's own by default.
        """
        sets = as_sets(pretrain)
        before, after = alignment.encode_pretrain(sets), alignment.encode(adapt)
        slots = alignment.space.embodiment.slots
        untouched = second_start(alignment.pretrain_vae, slots, alignment.config, alignment.seed)
        start = replace(alignment, vae=untouched).encode(adapt)
        old, new = balanced(len(before), len(after), seed, most)
        totals = len(before), len(after)
        chosen = modes or alignment.prior
        return cls(alignment, sets, adapt, before.take(old), start.take(new), after.take(new), chosen.to("cpu"), totals)

    @property
    def count(self) -> int:
        """Pre-training points; adaptation ones are numbered on from here."""
        return len(self.before)

    @cached_property
    def scale(self) -> np.ndarray:
        """√(Var[μ] + E[σ²]) over pre-training, (d,)."""
        scale: np.ndarray = np.sqrt(self.before.mean.var(0) + (self.before.std**2).mean(0))
        return scale

    @cached_property
    def _tree(self) -> NearestNeighbors:
        return NearestNeighbors().fit(self.before.mean / self.scale)

    def side(self, name: str) -> Latents:
        """`before` or `after`: pre-training latents, then adaptation's as stage 2 found or left them."""
        return Latents.concat([self.before, self.start if name == "before" else self.after])

    def time(self) -> np.ndarray:
        """Where in its episode each point's chunk starts, 0 to 1, (N,)."""
        length = self.alignment.config.chunk
        parts = []
        for latents, sets in ((self.before, self.pretrain), (self.after, (self.adapt,))):
            lengths = [{item.name: len(item) for item in one} for one in sets]
            steps = np.array([lengths[s][e] for s, e in zip(latents.set, latents.episode, strict=True)])
            parts.append(latents.start / np.maximum(steps - length, 1))
        return np.concatenate(parts)

    def tasks(self) -> np.ndarray:
        """Task of each point's episode, (N,)."""
        of_set = [[{i.name: str(i.attributes.get("task") or one.task or "unknown") for i in one} for one in sets]
                  for sets in (self.pretrain, (self.adapt,))]  # fmt: skip
        sides = zip((self.before, self.after), of_set, strict=True)
        return np.array([known[s][e] for side, known in sides for s, e in zip(side.set, side.episode, strict=True)])

    def mode(self, name: str = "after") -> np.ndarray:
        """The likeliest mode of each point, int (N,), on the side `before` or `after`."""
        return self._told[name][0]

    def depth(self, name: str = "after") -> np.ndarray:
        """Share of pre-training points in thinner places than each point, 0 to 1, (N,): its density quantile.

        Density falls with the distance to the fifth nearest pre-training point; points of pre-training do not count
        as their own neighbours.
        """
        return self._told[name][1]

    @cached_property
    def _told(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Modes and depths of both sides."""
        k = min(NEIGHBOURS, self.count - 1)
        own = self._tree.kneighbors(self.before.mean / self.scale, k + 1)[0][:, -1]
        order = np.sort(own)
        found = {}
        for name in ("before", "after"):
            points = self.side(name)
            other = self._tree.kneighbors(points.mean[self.count :] / self.scale, k)[0][:, -1]
            depth = 1.0 - np.searchsorted(order, np.concatenate([own, other])) / len(own)
            found[name] = (membership(self.modes, points).mode, depth)
        return found

    def neighbours(self, point: int, count: int = 5) -> tuple[np.ndarray, np.ndarray]:
        """Pre-training points nearest to an aligned point and their distances, each (k,), nearest first."""
        place = self.side("after").mean[point : point + 1] / self.scale
        distance, index = self._tree.kneighbors(place, min(count + 1, self.count))
        others = index[0] != point  # a pre-training point is not its own neighbour
        return index[0][others][:count], distance[0][others][:count]

    def where(self, point: int) -> tuple[Episodes, int, int]:
        """Set, position of the episode in it, and first row of a point's chunk."""
        side, sets = (self.before, self.pretrain) if point < self.count else (self.after, (self.adapt,))
        row = point if point < self.count else point - self.count
        episodes = sets[int(side.set[row])]
        index = next(i for i, item in enumerate(episodes) if item.name == side.episode[row])
        return episodes, index, int(side.start[row])

    def chunk(self, point: int) -> np.ndarray:
        """The recorded values of a point's chunk, `(S, dof)` in the data's units."""
        episodes, index, start = self.where(point)
        return episodes.series(index, start, start + self.alignment.config.chunk)

    def motion(self, points: Sequence[int]) -> Motion:
        """What the tools of these points' robots do."""
        parts = []
        for point in points:
            episodes, index, start = self.where(int(point))
            parts.append(Motion.of(episodes, np.array([index]), np.array([start]), self.alignment.config.chunk))
        return Motion.concat(parts)

    def decoded(self, latents: np.ndarray, robot: int | None = None) -> np.ndarray:
        """Chunks `(n, S, dof)` that latents `(n, d)` decode to: by ψ, or by φ as the pre-training robot of this set."""
        vae, space = self._decoder(robot)
        with torch.no_grad():
            z = torch.from_numpy(np.asarray(latents, np.float32)).to(self.alignment.device)
            chunks = vae.decode(z, self.alignment.config.chunk)
        values: np.ndarray = space.decode(chunks).cpu().numpy()
        return values

    def reconstruction(self, point: int) -> np.ndarray:
        """What a point's mean latent decodes to, `(S, dof)`, by its own side's network."""
        latent = self.side("after").mean[point]
        robot = int(self.before.set[point]) if point < self.count else None
        decoded: np.ndarray = self.decoded(latent[None], robot)[0]
        return decoded

    def _decoder(self, robot: int | None) -> tuple[InfoVAE, ActionSpace]:
        if robot is None:
            return self.alignment.vae, self.alignment.space.compact
        return self.alignment.pretrain_vae, self.alignment.spaces_of(self.pretrain)[robot]

    @cached_property
    def directions(self) -> tuple[np.ndarray, np.ndarray]:
        """Principal directions of the aligned latents, unit rows (k, d), and standard deviation along each, (k,)."""
        centred = self.after.mean - self.after.mean.mean(0)
        _, singular, rows = np.linalg.svd(centred, full_matrices=False)
        return rows, singular / np.sqrt(max(len(centred) - 1, 1))

    def walk(self, direction: int, amounts: Sequence[float]) -> np.ndarray:
        """Chunks `(n, S, dof)` of the adaptation robot along a principal direction, from the mean latent, in its own
        standard deviations."""
        rows, spread = self.directions
        steps = np.asarray(amounts, float)[:, None] * spread[direction]
        return self.decoded(self.after.mean.mean(0) + steps * rows[direction])

    def between(self, source: int, target: int, shares: Sequence[float]) -> np.ndarray:
        """Chunks `(n, S, dof)` of the adaptation robot on the straight line between two points' latents."""
        ends = self.side("after").mean[[source, target]]
        part = np.asarray(shares, float)[:, None]
        return self.decoded((1 - part) * ends[0] + part * ends[1])
