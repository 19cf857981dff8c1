"""Translation: pre-training episodes in a new robot's joints through the latent, D_ψ(E_φ(a)).

A control of retargeting: the joints are those that the alignment's networks give for each chunk, without kinematics of
the tool where the networks see joints.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from ate.align.alignment import Alignment
from ate.data.chunks import chunk
from ate.data.episodes import Episode, Episodes
from ate.data.series import Series
from ate.data.space import ActionSpace

BATCH = 1024


def translate(pretrain: Sequence[Episodes], alignment: Alignment, retargeted: Episodes) -> Episodes:
    """Retargeted episodes with joints by the alignment's translation; each row is the mean of the chunks that hold it.

    Args:
        pretrain: the sets that were retargeted.
        alignment: of these robots and the new one.
        retargeted: what `ate.steer.retarget` made of them: scene, tool and phase stay as they are there.

    Raises:
        InputError: a robot that the alignment does not know.
    """
    joints = {
        f"{episodes.robot}/{item.name}": rows
        for episodes, space in zip(pretrain, alignment.spaces_of(pretrain), strict=True)
        for item, rows in zip(episodes, _rows(alignment, episodes, space), strict=True)
    }
    items = tuple(_with_joints(item, joints[item.name]) for item in retargeted)
    return replace(retargeted, items=items)


def _rows(alignment: Alignment, episodes: Episodes, space: ActionSpace) -> list[np.ndarray]:
    """Translated joints `(T, dof)` of each episode."""
    length = alignment.config.chunk
    chunks = chunk(episodes, length, space, pad_end=True, device=alignment.device)
    index = torch.arange(len(chunks), device=alignment.device)
    made = torch.cat([alignment.translate(chunks.gather(part)) for part in index.split(BATCH)]).cpu().numpy()
    rows, first = [], 0
    for n in map(int, episodes.lengths):
        total, count = np.zeros((n + length - 1, made.shape[-1])), np.zeros((n + length - 1, 1))
        for i in range(n):
            total[i : i + length] += made[first + i]
            count[i : i + length] += 1
        rows.append((total / count)[:n].astype(np.float32))
        first += n
    return rows


def _with_joints(item: Episode, joints: np.ndarray) -> Episode:
    return replace(item, series={**item.series, "qpos": Series.of(joints, item.name)})
