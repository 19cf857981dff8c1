"""Translating: what a pre-training robot did, in the joints of the new robot, through the latent that both share.

    a_new = D_ψ(E_φ(a_old))

Every row of an episode is in up to S chunks; the translated row is the mean of what they say. The companion series
(`state`, what the task looks like) is kept: it is of the scene, not of the robot. How far the translated tool is from
the one that was recorded is measured, not assumed: `Translation.tool_error`.

A lead of ours, not part of the paper (arXiv 2509.02055): alignment as a source of demonstrations.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from ate.align.alignment import Alignment, Sets, as_sets
from ate.align.motion import Motion, why_no_tool
from ate.align.priors import posteriors
from ate.data.chunks import Chunks
from ate.data.episodes import Episode, Episodes
from ate.data.ledger import Ledger
from ate.data.space import ActionSpace
from ate.errors import InputError


@dataclass(frozen=True, eq=False)
class Translation:
    """Episodes of pre-training robots as the new robot would have made them.

    Attributes:
        episodes: of the new robot, one an original, with the original's `state`.
        tool_error: RMS distance of translated and recorded tool paths within a chunk, base frame, metres; NaN where
            the kinematics of a robot are not at hand.
    """

    episodes: Episodes
    tool_error: float


def translate(alignment: Alignment, pretrain: Sets) -> Translation:
    """Translate episodes of pre-training robots into the adaptation robot's joints.

    Args:
        alignment: both networks and all statistics.
        pretrain: sets it was aligned on, one a robot.

    Raises:
        InputError: another series than qpos, or no episode as long as a chunk.
    """
    sets = as_sets(pretrain)
    items, errors = [], []
    for episodes, space in zip(sets, alignment.spaces_of(sets), strict=True):
        if episodes.source != "qpos":
            raise InputError(
                f"source {episodes.source!r}",
                where=f"episodes of {episodes.robot} to translate",
                expected="measured positions, source 'qpos'",
                fix="load them with source='qpos'",
            )
        long = episodes.select(np.flatnonzero(episodes.lengths >= alignment.config.chunk))
        chunks = alignment.chunks(long, space)
        rows = _rows(alignment, chunks, long)
        made = [_episode(item, values) for item, values in zip(long, rows, strict=True)]
        items += made
        errors.append(_tool_error(alignment, long, _as_set(alignment, made, long), chunks))
    return Translation(_as_set(alignment, items, sets[0]), float(np.sqrt(np.mean(np.square(errors)))))


@torch.no_grad()
def _rows(alignment: Alignment, chunks: Chunks, episodes: Episodes) -> list[np.ndarray]:
    """Translated qpos of each episode, float32 `(n, dof)`, raw units."""
    space: ActionSpace = alignment.space.compact
    parts = [
        space.decode(alignment.vae.decode(part.mean, alignment.config.chunk))
        for part in posteriors(alignment.pretrain_vae, chunks)
    ]
    decoded = torch.cat(parts).cpu().double().numpy()
    episode, offset = chunks.episode.cpu().numpy(), chunks.offset.cpu().numpy()
    found = []
    for index, count in enumerate(episodes.lengths):
        total, seen = np.zeros((count, decoded.shape[2])), np.zeros((count, 1))
        for start, rows in zip(offset[episode == index], decoded[episode == index], strict=True):
            total[start : start + len(rows)] += rows
            seen[start : start + len(rows)] += 1
        found.append((total / seen).astype(np.float32))
    return found


def _episode(item: Episode, qpos: np.ndarray) -> Episode:
    kept = {name: series for name, series in item.series.items() if name in ("state", "phase")}
    made = Episode.of(item.name, item.path, qpos=qpos)
    return replace(made, series={**made.series, **kept}, attributes=item.attributes)


def _as_set(alignment: Alignment, items: Sequence[Episode], like: Episodes) -> Episodes:
    e = alignment.space.embodiment
    return Episodes(tuple(items), "qpos", e.name, e.joint_names, like.rate_hz, like.task, Ledger())


def _tool_error(alignment: Alignment, before: Episodes, after: Episodes, chunks: Chunks) -> float:
    if why_no_tool(before) or why_no_tool(after):
        return float("nan")
    at = chunks.episode.cpu().numpy(), chunks.offset.cpu().numpy()
    gap = [Motion.of(episodes, *at, alignment.config.chunk).path for episodes in (before, after)]
    return float(np.sqrt(np.square(gap[0] - gap[1]).sum(-1).mean()))
