"""LatentMap: latents of pre-training and adaptation chunks, with what can be looked up for each point.

A point has a robot, a place in its episode, a mode, a density quantile within pre-training, the chunk's motion, its
reconstruction and its neighbours. Adaptation chunks have two latents, *before* and *after* stage 2. Distances are those
of correspondence: between posterior means, each dimension in standard deviations of the aggregated pre-training
posterior.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from sklearn.neighbors import NearestNeighbors

from ate.align.alignment import Alignment, Sets, as_sets
from ate.align.evaluate.containment import NEIGHBOURS
from ate.align.evaluate.mode_occupancy import membership
from ate.align.evaluate.projection import balanced
from ate.align.latents import Latents
from ate.align.mixture import Prior
from ate.align.motion import Motion
from ate.align.stages import initial_adapt_vae
from ate.data.episodes import Episodes


@dataclass(frozen=True, eq=False)
class LatentMap:
    """Points to show: first the pre-training ones, then the adaptation ones.

    Args:
        alignment: whose latents they are.
        pretrain: sets of the pre-training robots.
        adapt: episodes of the adaptation robot.
        pretrain_latents: under φ, thinned.
        adapt_before: adaptation latents before stage 2, thinned.
        adapt_after: latents of the same chunks after stage 2.
        modes: prior whose modes are used.
        totals: numbers of pre-training and of adaptation chunks that the latents are a sample of.
    """

    alignment: Alignment
    pretrain: tuple[Episodes, ...]
    adapt: Episodes
    pretrain_latents: Latents
    adapt_before: Latents
    adapt_after: Latents
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
            most: pre-training points and adaptation points to keep; a random sample of chunks.
            seed: of the sample.
            modes: prior whose modes are used; the alignment's own by default.
        """
        sets = as_sets(pretrain)
        pretrain_latents, adapt_after = alignment.encode_pretrain(sets), alignment.encode(adapt)
        adapt_before = replace(alignment, vae=initial_adapt_vae(alignment, adapt)).encode(adapt)
        pretrain_rows, adapt_rows = balanced(len(pretrain_latents), len(adapt_after), seed, most)
        return cls(
            alignment,
            sets,
            adapt,
            pretrain_latents.take(pretrain_rows),
            adapt_before.take(adapt_rows),
            adapt_after.take(adapt_rows),
            (modes or alignment.prior).to("cpu"),
            (len(pretrain_latents), len(adapt_after)),
        )

    @property
    def count(self) -> int:
        """Number of pre-training points; adaptation points have the numbers from here on."""
        return len(self.pretrain_latents)

    @cached_property
    def scale(self) -> np.ndarray:
        """√(Var[μ] + E[σ²]) over pre-training, (d,)."""
        return np.sqrt(self.pretrain_latents.mean.var(0) + (self.pretrain_latents.std**2).mean(0))

    @cached_property
    def _tree(self) -> NearestNeighbors:
        return NearestNeighbors().fit(self.pretrain_latents.mean / self.scale)

    def side(self, name: str) -> Latents:
        """Pre-training latents, then those of adaptation `before` or `after` stage 2."""
        return Latents.concat([self.pretrain_latents, self.adapt_before if name == "before" else self.adapt_after])

    def time(self) -> np.ndarray:
        """Where in its episode each point's chunk starts, 0 to 1, (N,)."""
        starts = np.array([start for *_, start in self._places])
        steps = np.array([len(episodes[index]) for episodes, index, _ in self._places])
        return starts / np.maximum(steps - self.alignment.config.chunk, 1)

    def tasks(self) -> np.ndarray:
        """Task of each point's episode, (N,)."""
        return np.array([str(s[i].attributes.get("task") or s.task or "unknown") for s, i, _ in self._places])

    def mode(self, name: str = "after") -> np.ndarray:
        """The likeliest mode of each point, int (N,), `before` or `after` stage 2."""
        return self._modes_depths[name][0]

    def depth(self, name: str = "after") -> np.ndarray:
        """Share of pre-training points at a lower density than each point, 0 to 1, (N,): its density quantile.

        Density falls with the distance to the fifth nearest pre-training point; points of pre-training do not count
        as their own neighbours.
        """
        return self._modes_depths[name][1]

    @cached_property
    def _modes_depths(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Modes and depths before and after stage 2."""
        k = min(NEIGHBOURS, self.count - 1)
        own = self._tree.kneighbors(self.pretrain_latents.mean / self.scale, k + 1)[0][:, -1]
        order = np.sort(own)
        results = {}
        for name in ("before", "after"):
            points = self.side(name)
            other = self._tree.kneighbors(points.mean[self.count :] / self.scale, k)[0][:, -1]
            depth = 1.0 - np.searchsorted(order, np.concatenate([own, other])) / len(own)
            results[name] = (membership(self.modes, points).mode, depth)
        return results

    def neighbours(self, point: int, count: int = 5) -> tuple[np.ndarray, np.ndarray]:
        """Pre-training points nearest to an aligned point and their distances, each (k,), nearest first."""
        place = self.side("after").mean[point : point + 1] / self.scale
        distance, index = self._tree.kneighbors(place, min(count + 1, self.count))
        others = index[0] != point  # a pre-training point is not its own neighbour
        return index[0][others][:count], distance[0][others][:count]

    def where(self, point: int) -> tuple[Episodes, int, int]:
        """Set, position of the episode in it, and first row of a point's chunk."""
        return self._places[point]

    @cached_property
    def _places(self) -> list[tuple[Episodes, int, int]]:
        """The same of all points."""
        places = []
        for side, sets in ((self.pretrain_latents, self.pretrain), (self.adapt_after, (self.adapt,))):
            index = [{item.name: i for i, item in enumerate(episodes)} for episodes in sets]
            rows = zip(side.set, side.episode, side.start.tolist(), strict=True)
            places += [(sets[s], index[s][name], start) for s, name, start in rows]
        return places

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
        """Chunks `(n, S, dof)` decoded from latents `(n, d)`: by ψ, or by φ for the pre-training robot of this set."""
        vae, space = self.alignment.vae, self.alignment.seen[-1].compact
        if robot is not None:
            vae, space = self.alignment.pretrain_vae, self.alignment.spaces_of(self.pretrain)[robot]
        with torch.no_grad():
            z = torch.from_numpy(np.asarray(latents, np.float32)).to(self.alignment.device)
            chunks = vae.decode(z, self.alignment.config.chunk)
        return space.decode(chunks).cpu().numpy()

    def reconstruction(self, point: int) -> np.ndarray:
        """The chunk decoded from a point's mean latent, `(S, dof)`, by φ or ψ as the point's own."""
        latent = self.side("after").mean[point]
        robot = int(self.pretrain_latents.set[point]) if point < self.count else None
        return self.decoded(latent[None], robot)[0]

    @cached_property
    def directions(self) -> tuple[np.ndarray, np.ndarray]:
        """Principal directions of the aligned latents, unit rows (k, d), and standard deviation along each, (k,)."""
        centred = self.adapt_after.mean - self.adapt_after.mean.mean(0)
        _, singular, rows = np.linalg.svd(centred, full_matrices=False)
        return rows, singular / np.sqrt(max(len(centred) - 1, 1))

    def walk(self, direction: int, amounts: Sequence[float]) -> np.ndarray:
        """Chunks `(n, S, dof)` of the adaptation robot along a principal direction, from the mean latent, in its own
        standard deviations."""
        rows, spread = self.directions
        steps = np.asarray(amounts, float)[:, None] * spread[direction]
        return self.decoded(self.adapt_after.mean.mean(0) + steps * rows[direction])

    def between(self, source: int, target: int, shares: Sequence[float]) -> np.ndarray:
        """Chunks `(n, S, dof)` of the adaptation robot on the straight line between two points' latents."""
        ends = self.side("after").mean[[source, target]]
        part = np.asarray(shares, float)[:, None]
        return self.decoded((1 - part) * ends[0] + part * ends[1])
