"""Anchors: pre-training chunks with the same tool motion as an adaptation chunk, to pull that chunk's latent to.

The method matches two distributions and leaves open which chunk goes where. Anchors decide it. Before stage 2, each
adaptation chunk gets the pre-training chunks most similar in path and turn of the tool in the base frame, opening of
the gripper and time in the episode. Stage 2 then adds to its loss

    w_anchor · min over anchors of mean over d of ((μ_ψ(a) − μ_φ(anchor)) / σ)²,     σ of the prior

The nearest of a few anchors counts, not their mean: robots that do the same may be far apart in φ's latent, with
nothing between them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ate.align.motion import GRIP, PATH, TURN, Motion, features, why_no_gripper, why_no_tool
from ate.align.priors import posteriors
from ate.align.vae import InfoVAE
from ate.data.chunks import Chunks, chunk
from ate.data.episodes import Episodes
from ate.data.space import ActionSpace
from ate.errors import InputError

ANCHORS = 5
MOST_CHUNKS = 20_000
# What of the motion a checkpoint keeps.
KEPT = ("path", "turn", "opening", "time")


@dataclass(frozen=True, eq=False)
class AnchorPool:
    """Pre-training chunks that may be anchors: their motion and their latents.

    Args:
        motion: of P chunks; phases are not kept.
        mean: posterior means under φ, float32 (P, d).
    """

    motion: Motion
    mean: Tensor

    @classmethod
    def of(
        cls, vae: InfoVAE, sets: Sequence[Episodes], spaces: Sequence[ActionSpace], length: int, seed: int
    ) -> "AnchorPool":
        """At most 20,000 chunks of `length` rows, of the robots whose tool is known, in equal parts.

        Raises:
            InputError: the tool of none of them is known.
        """
        usable = [(s, space) for s, space in zip(sets, spaces, strict=True) if not why_no_tool(s)]
        if not usable:
            raise _no_tool("pre-training data", sets)
        random, device = np.random.default_rng(seed), vae.device
        motions, means = [], []
        for episodes, space in usable:
            chunks = chunk(episodes, length, space, device=device)
            share = MOST_CHUNKS // len(usable)
            if len(chunks) > share:
                index = np.sort(random.choice(len(chunks), share, replace=False))
                chunks = chunks.take(torch.from_numpy(index).to(device))
            motions.append(_motion(episodes, chunks))
            means.append(torch.cat([p.mean for p in posteriors(vae, chunks)]))
        return cls(Motion.concat(motions), torch.cat(means))

    def find(self, episodes: Episodes, chunks: Chunks) -> np.ndarray:
        """Rows of the pool whose motion is nearest to each of the chunks, int64 (N, k), nearest first.

        Raises:
            InputError: the robot's tool is not known.
        """
        if why_no_tool(episodes):
            raise _no_tool("adaptation data", [episodes])
        motion = _motion(episodes, chunks)
        gripper = not why_no_gripper(episodes) and bool(self.motion.known[GRIP].all())
        parts = [PATH, TURN, GRIP] if gripper else [PATH, TURN]
        # Imported here: it takes seconds, and most of the package needs no neighbours.
        from sklearn.neighbors import NearestNeighbors

        tree = NearestNeighbors(n_neighbors=min(ANCHORS, len(self.mean)), algorithm="brute")
        tree.fit(features(self.motion, self.motion, parts, time=True))
        return tree.kneighbors(features(motion, self.motion, parts, time=True), return_distance=False)

    def anchors(self, episodes: Episodes, chunks: Chunks) -> "Anchors":
        """The anchors of all `chunks` of these episodes, on the chunks' device."""
        device = chunks.rows.device
        return Anchors(self.mean.to(device), torch.from_numpy(self.find(episodes, chunks)).to(device))

    def to_tree(self) -> dict[str, Any]:
        """Plain values and tensors, for a checkpoint."""
        return {"mean": self.mean, **{name: torch.from_numpy(getattr(self.motion, name)) for name in KEPT}}

    @classmethod
    def from_tree(cls, tree: Mapping[str, Any]) -> "AnchorPool":
        """The inverse of `to_tree`."""
        arrays = {name: tree[name].cpu().numpy() for name in KEPT}
        return cls(Motion(**arrays, phase=np.full(arrays["opening"].shape, "")), tree["mean"])


@dataclass(frozen=True, eq=False)
class Anchors:
    """The anchors of N chunks, constant through training.

    Args:
        mean: posterior means of the pool under φ, (P, d).
        index: rows of it that anchor each chunk, int64 (N, k).
    """

    mean: Tensor
    index: Tensor

    def gather(self, index: Tensor) -> Tensor:
        """Latents of the anchors of the chunks at `index` (B,), (B, k, d)."""
        return self.mean[self.index[index]]


def why_no_anchors(sets: Sequence[Episodes], adapt: Episodes) -> str:
    """Why chunks of these sets cannot be matched by motion of the tool; empty where they can."""
    reasons = [why_no_tool(episodes) for episodes in sets]
    return why_no_tool(adapt) or "; ".join(reasons if all(reasons) else ())


def pull(mean: Tensor, anchors: Tensor, scale: Tensor) -> Tensor:
    """Squared distance from posterior means (B, d) to the nearest of their anchors (B, k, d), in units of `scale`
    (d,) and as a mean over dimensions and chunks; a scalar."""
    return ((mean[:, None] - anchors) / scale).square().mean(2).amin(1).mean()


def _motion(episodes: Episodes, chunks: Chunks) -> Motion:
    return Motion.of(episodes, chunks.episode.cpu().numpy(), chunks.offset.cpu().numpy(), chunks.length)


def _no_tool(where: str, sets: Sequence[Episodes]) -> InputError:
    return InputError(
        "; ".join(why_no_tool(s) for s in sets),
        where=where,
        expected="episodes with ee_pose, or a robot of ate.robots: anchors are matched by motion of the tool",
        fix="record ee_pose (n, 7), or align without anchors: anchor_weight=0",
    )
