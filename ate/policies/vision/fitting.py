"""Fitting: an encoder is trained to say where object and goal are, on pictures of moments whose state is known.

    loss = Σ_cameras Σ_groups σ^(2β) · (|e|²/(2σ²) + n·log σ),  β = 1/2        (Seitzer et al. 2022, arXiv 2203.09168)
         + cross entropy of the task that the words ask for
         + distance of the marker of every colour (`ate.policies.vision.markers`)

A camera that cannot see a thing says so by its σ. Words are drawn anew at every step: any wording of training, and,
where there are markers of two colours, either of them, so that the goal is the one that is named. Colours and
brightness of pictures are jittered.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ate.policies.vision import grounding
from ate.policies.vision.encoder import CAMERAS, GROUPS, UNIT, Camera, Encoder, Located
from ate.policies.vision.instruction import COLOURS, WORDINGS
from ate.policies.vision.markers import Markers, joined, placed
from ate.policies.vision.moment import Moments
from ate.policies.vision.words import vectors
from ate.runs.device import one_thread

BETA = 0.5
# Deviations of the jitter: brightness, contrast and the gain of each colour; and of the noise on a sentence's vector.
BRIGHTNESS, CONTRAST, GAIN, VECTOR = 0.12, 0.12, 0.08, 0.005


@dataclass(frozen=True)
class FitConfig:
    """How an encoder is trained.

    Attributes:
        steps, batch: of the optimiser; moments a step.
        learning_rate: of AdamW, at its highest.
        seed: of batches, jitter and wordings.
        jitter: whether light and colours of pictures change at every step.
    """

    steps: int = 2400
    batch: int = 64
    learning_rate: float = 5e-3
    seed: int = 0
    jitter: bool = True


@dataclass(frozen=True, eq=False)
class Sentences:
    """Vectors of what may be said to each task in each colour, in wordings of training."""

    of: dict[tuple[str, int], Tensor]

    @classmethod
    def training(cls, tasks: Sequence[str]) -> "Sentences":
        """Of these tasks."""
        made = {}
        for task in tasks:
            for number, colour in enumerate(COLOURS[task] or ("",)):
                texts = [form.format(goal=colour) for form in WORDINGS[task]]
                made[task, number] = torch.from_numpy(vectors(texts))
        return cls(made)


@one_thread()
def fit_encoder(
    encoder: Encoder, sets: Sequence[Moments], config: FitConfig, log: Callable[[int, float], None] | None = None
) -> Encoder:
    """Train an encoder on moments, each task with an equal share of every batch; returns it frozen.

    Args:
        encoder: trained in place.
        sets: moments of one or more tasks.
        config: how.
        log: is given step and loss, now and then.
    """
    generator = torch.Generator().manual_seed(config.seed)
    tasks = list(dict.fromkeys(part.task for part in sets))
    pools = [_Pool.of([part for part in sets if part.task == task]) for task in tasks]
    sentences = Sentences.training(tasks)
    markers = Markers(encoder, config.seed)
    optimizer = torch.optim.AdamW(
        [*encoder.parameters(), *markers.parameters()], config.learning_rate, weight_decay=1e-4
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, config.learning_rate, total_steps=config.steps + 1, pct_start=0.1
    )
    encoder.centre.copy_(torch.cat([*sentences.of.values()]).mean(0))
    encoder.train().requires_grad_(True)
    for step in range(config.steps):
        size = max(1, config.batch // len(tasks))
        draws = [pool.draw(size, sentences, generator) for pool in pools]
        pictures = jittered(torch.cat([draw.pictures for draw in draws]), generator, config.jitter)
        spoken = torch.cat([draw.spoken for draw in draws])
        words = encoder.words(spoken + VECTOR * torch.randn(spoken.shape, generator=generator))
        asked = torch.tensor([encoder.config.tasks.index(task) for task in tasks]).repeat_interleave(size)
        loss = 0.1 * torch.nn.functional.cross_entropy(encoder.asked(words), asked)
        for i, (name, camera) in enumerate(encoder.cameras.items()):
            assert isinstance(camera, Camera)
            points = camera.points(pictures[:, i], words)
            loss = loss + likelihood(camera.locate(points, words), _stacked([draw.wanted[name] for draw in draws]))
            loss = loss + markers.loss(name, points, *joined([draw.markers[name] for draw in draws]))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(encoder.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if log is not None and step % 100 == 0:
            log(step, loss.item())
    return encoder.eval().requires_grad_(False)


def likelihood(located: Located, wanted: dict[str, Tensor]) -> Tensor:
    """The loss of one camera, in units of `UNIT`."""
    total = torch.zeros(())
    for name, width in GROUPS.items():
        unit = 1.0 if name == "yaw" else UNIT
        error, spread = (located.mean[name] - wanted[name]) / unit, located.spread[name] / unit
        each = error.square().sum(-1) / (2 * spread.square()) + width * spread.log()
        total = total + (each * spread.detach() ** (2 * BETA)).mean()
    return total


def jittered(pictures: Tensor, generator: torch.Generator, jitter: bool = True) -> Tensor:
    """Pictures `(B, cameras, H, W, 3)` uint8 as `(B, cameras, 3, H, W)` in [−1, 1], in other light or as they are."""
    shape = (*pictures.shape[:2], 1, 1, 3)
    if not jitter:
        return pictures.permute(0, 1, 4, 2, 3).float() / 127.5 - 1
    gain = 1 + GAIN * torch.randn(shape, generator=generator)
    single = (*shape[:-1], 1)
    contrast, shift = (1 + CONTRAST * torch.randn(single, generator=generator),
                       BRIGHTNESS * torch.randn(single, generator=generator))  # fmt: skip
    light = (pictures.float().mul_(1 / 127.5).sub_(1) * (gain * contrast)).add_(shift)
    return light.permute(0, 1, 4, 2, 3)


@dataclass(frozen=True, eq=False)
class _Draw:
    pictures: Tensor
    spoken: Tensor
    wanted: dict[str, dict[str, Tensor]]
    markers: dict[str, tuple[Tensor, Tensor]]


@dataclass(frozen=True, eq=False)
class _Pool:
    """Moments of one task, of several robots."""

    task: str
    sets: tuple[Moments, ...]
    ends: NDArray[np.int64]

    @classmethod
    def of(cls, sets: Sequence[Moments]) -> "_Pool":
        return cls(sets[0].task, tuple(sets), np.cumsum([len(part) for part in sets]))

    def draw(self, size: int, sentences: Sentences, generator: torch.Generator) -> _Draw:
        rows = torch.randint(int(self.ends[-1]), (size,), generator=generator).numpy()
        which = np.searchsorted(self.ends, rows, side="right")
        inside = rows - np.concatenate([[0], self.ends])[which]
        pairs = list(zip(which, inside, strict=True))

        def of(name: str) -> NDArray[Any]:
            return np.stack([getattr(self.sets[k], name)[i] for k, i in pairs])

        position, rotation, goals = of("position"), of("rotation"), of("goals")
        colour = torch.randint(goals.shape[1], (size,), generator=generator)
        vectors_of = [sentences.of[self.task, int(number)] for number in colour]
        spoken = torch.stack([v[int(torch.randint(len(v), (), generator=generator))] for v in vectors_of])
        truth = {
            "object": np.stack([self.sets[k].truth["object"][i] for k, i in pairs]),
            "yaw": np.stack([self.sets[k].truth["yaw"][i] for k, i in pairs]),
            "goal": np.take_along_axis(goals, colour.numpy()[:, None, None], 1)[:, 0],
        }
        wanted = {
            name: {
                key: torch.from_numpy(value).float()
                for key, value in grounding.for_camera(name, truth, position, rotation).items()
            }
            for name in CAMERAS
        }
        markers = {
            name: placed({
                colour: torch.from_numpy(grounding.point_for(name, goals[:, k], position, rotation)).float()
                for k, colour in enumerate(COLOURS[self.task])
            }, size)
            for name in CAMERAS
        }  # fmt: skip
        return _Draw(torch.from_numpy(of("pictures")), spoken, wanted, markers)


def _stacked(parts: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
