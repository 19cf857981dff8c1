"""Translation error: how far the new robot's tool is from where the old robot's tool was.

    a (old robot, held-out episode)  →  D_ψ(E_φ(a)) (joints of the new robot)  →  its tool by kinematics

It is compared with the tool that a itself moved, row by row, in the frame that all robots share (`ate.robots.frames`):
distance and angle, where half a turn of a symmetric gripper does not count. Correspondence asks whether neighbours in
the latent do the same thing; this asks whether the latent carries *what* a chunk does.

* Null: the translation of another chunk in its place, which is what a code that carries nothing gives.
* Floor: inverse kinematics of the recorded tool motion itself, without any latent: what the new robot can reach.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ate.align.alignment import Alignment, Sets, as_sets
from ate.align.evaluate.containment import Band, band
from ate.align.inputs import why_no_tool_motion
from ate.data.episodes import Episodes
from ate.data.placements import placement
from ate.data.tool_space import ToolSpace, tool_spaces
from ate.robots.frames import POSITION, TURN, rotation_of

Array = NDArray[np.float64]
MOST_CHUNKS = 500
NULLS = 20
MILLIMETRES = 1000.0


@dataclass(frozen=True)
class Error:
    """One measure of translation.

    Attributes:
        value: mean over rows of all chunks.
        low: 2.5 % of a bootstrap over episodes.
        high: 97.5 % of it.
        null: the mean with another chunk in its place: mean, lowest and highest of 20 draws.
        floor: the mean of inverse kinematics without a latent.
    """

    value: float
    low: float
    high: float
    null: Band
    floor: float


@dataclass(frozen=True)
class Translation:
    """The numbers.

    Attributes:
        position: distance of the tools, millimetres; None where it is not known.
        rotation: angle between them, degrees; None where it is not known.
        missing: why they are not known; empty where they are.
    """

    position: Error | None
    rotation: Error | None
    missing: str = ""


def translation(alignment: Alignment, pretrain: Sets, adapt: Episodes, seed: int = 0) -> Translation:
    """Translate chunks of held-out pre-training episodes to the adaptation robot and see where its tool is.

    At most 500 chunks, in equal parts of the sets; of all episodes of a set that has none held out.

    Args:
        alignment: what to evaluate.
        pretrain: episodes of the pre-training robots.
        adapt: episodes of the adaptation robot, which name its columns.
        seed: of the sample, the null and the bootstrap.

    Raises:
        InputError: a robot that the alignment was not pre-trained on.
    """
    sets = as_sets(pretrain)
    seen = alignment.spaces_of(sets)
    reason = "" if alignment.tool_spaces else why_no_tool_motion([*sets, adapt])
    if reason:
        return Translation(None, None, reason)
    spaces = _tools(alignment, sets, adapt)
    random, gaps, floors, nulls, groups = np.random.default_rng(seed), [], [], [], []
    for number, (episodes, space, tool) in enumerate(zip(sets, seen, spaces[:-1], strict=True)):
        held = _held_out(alignment, number, episodes)
        chunks = alignment.chunks(held, space)
        count = min(len(chunks), max(1, MOST_CHUNKS // len(sets)))
        index = torch.from_numpy(np.sort(random.choice(len(chunks), count, replace=False))).to(alignment.device)
        chunks = chunks.take(index)
        x = chunks.gather(torch.arange(count, device=alignment.device))
        wanted = _rows(tool, space.decode(x)) if not alignment.tool_spaces else tool.normalizer.denormalize(_host(x))
        reached = _rows(spaces[-1], alignment.translate(x))
        gaps.append(_gap(reached, wanted))
        floors.append(_gap(_rows(spaces[-1], spaces[-1].decode(spaces[-1].normalizer.normalize(wanted))), wanted))
        nulls.append([_gap(reached[random.permutation(count)], wanted).mean(1) for _ in range(NULLS)])
        groups.append(chunks.episode.cpu().numpy() + 10**6 * number)
    gap, group = np.concatenate(gaps, 1), np.concatenate(groups)
    floor, null = np.concatenate(floors, 1).mean(1), np.mean(nulls, 0)
    bounds = _bootstrap(gap, group, random)
    made = [Error(float(gap[i].mean()), *bounds[i], band(null[:, i]), float(floor[i])) for i in range(2)]
    return Translation(made[0], made[1])


def _tools(alignment: Alignment, sets: Sequence[Episodes], adapt: Episodes) -> tuple[ToolSpace, ...]:
    """Tool motion of each set and of the adaptation robot."""
    if alignment.tool_spaces:
        old = [space for space in alignment.spaces_of(sets) if isinstance(space, ToolSpace)]
        return (*old, alignment.tool_spaces[-1])
    return tool_spaces([*sets, adapt], [placement(s) for s in (*sets, adapt)])


def _held_out(alignment: Alignment, number: int, episodes: Episodes) -> Episodes:
    """Episodes kept from training that are long enough, or all that are where none were kept."""
    long = [i for i, n in enumerate(episodes.lengths) if n >= alignment.config.chunk]
    names = alignment.held_out.get(f"pretrain/{number}", ())
    return episodes.select([i for i in long if episodes[i].name in names] or long)


def _rows(space: ToolSpace, joints: np.ndarray | torch.Tensor) -> Array:
    """Tool motion (B, S, 10), metres, of raw joints (B, S, dof)."""
    return space.normalizer.denormalize(space.encode(_host(joints)))


def _host(values: np.ndarray | torch.Tensor) -> Array:
    array = values.detach().cpu().numpy() if isinstance(values, torch.Tensor) else values
    return array.astype(np.float64)


def _gap(reached: Array, wanted: Array) -> Array:
    """Millimetres and degrees between two tool motions (B, S, 10), each a mean over the rows, (2, B)."""
    distance = np.linalg.norm(reached[..., POSITION] - wanted[..., POSITION], axis=-1)
    relative = np.swapaxes(rotation_of(wanted[..., TURN]), -1, -2) @ rotation_of(reached[..., TURN])
    # Of the two turns by the trace: as it is, and after half a turn about the tool's own z axis.
    x, y, z = (relative[..., i, i] for i in range(3))
    cosine = np.maximum(x + y + z, z - x - y) / 2 - 0.5
    angle = np.degrees(np.arccos(np.clip(cosine, -1, 1)))
    return np.stack([MILLIMETRES * distance.mean(-1), angle.mean(-1)])


def _bootstrap(gap: Array, group: NDArray[np.int64], random: np.random.Generator) -> list[tuple[float, float]]:
    """95 % of the means (2, B) over episodes drawn again."""
    _, of = np.unique(group, return_inverse=True)
    count = of.max() + 1
    sums, sizes = np.stack([np.bincount(of, row, count) for row in gap]), np.bincount(of, minlength=count)
    draws = random.integers(0, count, (1000, count))
    means = sums[:, draws].sum(-1) / sizes[draws].sum(-1)
    low, high = np.quantile(means, [0.025, 0.975], axis=1)
    return [(float(a), float(b)) for a, b in zip(low, high, strict=True)]
