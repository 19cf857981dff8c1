"""Fine-tuning of RDT on pictures and words, with or without guidance.

Every step draws its rows, noise, levels and what it leaves out from its own number and the seed, so that a run that
was stopped goes on with the same batches.

Source: RDT-1B, arXiv 2410.07864 (AdamW, learning rate 1e-4); ATE paper, arXiv 2509.02055, section 3.3.
"""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ate.align.alignment import Alignment
from ate.errors import InputError
from ate.policies.rdt.runner import Runner
from ate.policies.rdt.samples import Samples, column_names
from ate.policies.rdt.tuned_policy import TrainedWeights
from ate.runs.files import array_digest, content_key
from ate.runs.loop import Stateful, train
from ate.steer.attachment import Attachment, attach
from ate.steer.guidance import Guidance
from ate.steer.guidance_config import GuidanceConfig
from ate.steer.optim_config import OptimConfig

# What differs from the default of `OptimConfig`.
DEFAULTS: Mapping[str, Any] = MappingProxyType({"learning_rate": 1e-4, "weight_decay": 1e-2, "max_grad_norm": 1.0})
# Products in float32, or by autocast; weights that are in bf16 stay so.
PRECISIONS = ("float32", "bfloat16")
ROWS = 40


@dataclass(frozen=True, eq=False)
class RdtTraining:
    """What training gave; the runner itself was trained in place.

    Attributes:
        loss: rows with `step` and `loss`, with guidance the loss that guidance shifted.
        meter: rows by noise level (`ate.steer.meter`) of the steps since the last start; empty without guidance.
        verdict: of the meter; empty without guidance.
    """

    loss: list[dict[str, float]]
    meter: list[dict[str, float]]
    verdict: str


def finetune_rdt(
    runner: Runner,
    samples: Samples,
    alignment: Alignment | Guidance | None = None,
    config: GuidanceConfig | str | None = None,
    *,
    directory: Path | None = None,
    base: str = "",
    **options: Any,
) -> RdtTraining:
    """Train what of a runner is not frozen, in place, on the device that it is on.

    Args:
        runner: RDT, maybe with adapters (`ate.policies.rdt.with_lora`).
        samples: of the adaptation robot.
        alignment: whose adaptation encoder guides; or a `Guidance` on the 128 slots (`guidance_of`); None for none.
        config: of an alignment's guidance; None for the default.
        directory: for checkpoints and metrics; an interrupted run resumes from there.
        base: hash of the weights that training begins with, to know a checkpoint by.
        options: of `OptimConfig`; `precision="bfloat16"` for autocast.

    Raises:
        InputError: an option is unknown or out of range, averaged weights or another precision are asked for, or the
            alignment has another horizon, other joints or another rate.
    """
    optim = _checked(options)
    device = next(runner.parameters()).device
    trained = [weight for weight in runner.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=optim.learning_rate, weight_decay=optim.weight_decay)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, optim.learning_rate_factor)
    kept = TrainedWeights(runner)
    identity = _identity(samples, optim, alignment, config, base, [*kept.state_dict()])
    hooks, guided = ExitStack(), list[Attachment]()

    def step(index: int) -> dict[str, Tensor]:
        """One step; guidance begins with the first, since a finished run is read from disk and has none."""
        if alignment is not None and not guided:
            guided.append(hooks.enter_context(guided_rdt(runner, samples, alignment, config)))
        total = torch.zeros((), device=device)
        for part in range(optim.accumulate):
            batch = _drawn(samples, optim, index, part)
            with torch.autocast(device.type, torch.bfloat16, enabled=optim.precision == "bfloat16"):
                loss = runner.compute_loss(**{name: tensor.to(device) for name, tensor in batch.items()})
            (loss / optim.accumulate).backward()
            total += loss.detach() / optim.accumulate
        torch.nn.utils.clip_grad_norm_(trained, optim.max_grad_norm)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        return {"loss": total}

    state: dict[str, Stateful | torch.Generator] = {"policy": kept, "optimizer": optimizer, "schedule": schedule}
    logged: dict[str, Any] = {"log_every": max(1, optim.steps // ROWS), "label": "fine-tune RDT"}
    runner.train()
    with hooks:
        rows = train(step, state, optim.steps, directory=directory, identity=identity, **logged)
    runner.eval()
    loss = [{"step": row["step"], "loss": row["loss"]} for row in rows]
    return RdtTraining(loss, guided[0].rows, guided[0].verdict) if guided else RdtTraining(loss, [], "")


def _checked(options: dict[str, Any]) -> OptimConfig:
    """How RDT is optimised, after a look at whether this is made for it.

    Raises:
        InputError: as `finetune_rdt`, of its options.
    """
    optim = OptimConfig.of({**DEFAULTS, **options})
    for name, ok, expected in (
        ("ema", not optim.ema, "no averaged weights"),
        ("precision", optim.precision in PRECISIONS, " or ".join(PRECISIONS)),
    ):
        if not ok:
            got, fix = f"{name} {getattr(optim, name)}", f"leave {name} away"
            raise InputError(got, where="fine-tuning of RDT", expected=expected, fix=fix)
    return optim


def guided_rdt(
    runner: Runner, samples: Samples, alignment: Alignment | Guidance, config: GuidanceConfig | str | None = None
) -> Attachment:
    """`attach` on a runner: its columns are the 128 slots, its units those of the data.

    Raises:
        InputError: as `attach`.
    """
    if isinstance(alignment, Guidance):
        return attach(runner, alignment)
    names = column_names(samples.embodiment)
    untouched = [0.0] * len(names), [1.0] * len(names)
    return attach(runner, alignment, config, joints=names, statistics=untouched, rate_hz=samples.rate_hz)


def _drawn(samples: Samples, optim: OptimConfig, index: int, part: int) -> dict[str, Tensor]:
    """A batch with its noise and levels."""
    generator = np.random.default_rng((optim.seed, index, part))
    batch = dict(samples.batch(generator.integers(len(samples), size=optim.batch), generator))
    shape = batch["action_gt"].shape
    levels = generator.integers(samples.config.num_train_timesteps, size=optim.batch)
    noise = generator.standard_normal(tuple(shape), dtype=np.float32)
    return {**batch, "noise": torch.from_numpy(noise), "timesteps": torch.from_numpy(levels)}


def _identity(
    samples: Samples,
    optim: OptimConfig,
    alignment: Alignment | Guidance | None,
    config: GuidanceConfig | str | None,
    base: str,
    trained: list[str],
) -> str:
    """SHA-256 over data, conditions, optimisation, guidance and what is trained."""
    conditions, guiding = samples.conditions, list[Any]()
    guidance = Guidance.of(alignment, config) if isinstance(alignment, Alignment) else alignment
    if guidance is not None:
        weights = (weight.cpu().numpy() for weight in guidance.vae.state_dict().values())
        guiding = [guidance.config.to_dict(), array_digest(*weights)]
    return content_key(
        [optim.identity, samples.episodes.digest, conditions.cameras, conditions.instructions, base, trained,
         samples.config, guiding]
    )  # fmt: skip
