"""One stage of the alignment: an Info-VAE, chunks on its device, and the training loop.

At every metric row the held-out episodes are scored without gradients, always on the same chunks and noise. *Best* are
the weights of the row with the lowest held-out loss, *Last* those after the last step.
"""

import copy
import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ate.align.anchors import Anchors
from ate.align.config import AlignConfig
from ate.align.losses import Target, losses
from ate.align.vae import InfoVAE, Network, Posterior
from ate.data.chunks import Chunks
from ate.errors import InputError
from ate.runs import checkpoint, loop
from ate.runs.device import default_generator, tf32
from ate.runs.distributed import all_rows, average, own_rows, processes
from ate.runs.working_copy import WorkingCopy

# A latent dimension is active when its mean varies by more than this between chunks (Burda et al., arXiv 1509.00519).
ACTIVE_VARIANCE = 0.01
VALIDATION_CHUNKS = 256
ROWS_OF_METRICS = 12
LOGS_PER_CHECKPOINT = 4
# From this share of a stage on, fewer active dimensions than this raise a warning; the scorecard calls them dead.
EARLY, FEWEST_ACTIVE = 0.25, 2


class DeadLatent(UserWarning):
    """Hardly any latent dimension carries information about its chunk."""


@dataclass
class Best:
    """The weights with the lowest held-out loss so far; part of a stage's state, so that a resumed run has them.

    Args:
        loss: that loss, None before the first row.
        step: steps made by then.
        weights: the state dict of the network.
    """

    loss: float | None = None
    step: int = 0
    weights: dict[str, Tensor] = field(default_factory=dict)

    def offer(self, loss: float, step: int, vae: InfoVAE) -> None:
        """Keep a copy of the weights if their loss is lower than any before."""
        if math.isfinite(loss) and (self.loss is None or loss < self.loss):
            self.loss, self.step = loss, step
            self.weights = {name: value.detach().clone() for name, value in vae.state_dict().items()}

    def into(self, vae: InfoVAE) -> InfoVAE:
        """A frozen copy of the network with these weights, or with its own if no row had a finite loss."""
        best = copy.deepcopy(vae)
        if self.weights:
            best.load_state_dict(self.weights)
        return best.freeze()

    def state_dict(self) -> dict[str, Any]:
        """As plain values and tensors."""
        return dict(vars(self))

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take back what `state_dict` gave."""
        vars(self).update(state_dict)

    @classmethod
    def of(cls, folder: Path) -> "Best":
        """The best so far of a stage whose checkpoint lies in `folder`, running, stopped or finished.

        Raises:
            InputError: there is none.
        """
        return cls(**_state(folder)["best"])

    @classmethod
    def last(cls, folder: Path) -> "Best":
        """The same for the weights of the last step, of no loss."""
        return cls(weights=_state(folder)["vae"])


def _state(folder: Path) -> dict[str, Any]:
    """What a stage's checkpoint holds."""
    tree = checkpoint.load(folder / loop.LAST)
    if not isinstance(tree, dict) or not {"vae", "best"} <= tree.get("state", {}).keys():
        raise InputError(
            "a checkpoint of something else, or of another version",
            where=str(folder / loop.LAST),
            expected="one of a stage of an alignment",
            fix="train again in another folder",
        )
    return tree["state"]


@dataclass(frozen=True)
class Stage:
    """What a stage trains and on what.

    Args:
        name: `pretrain` or `adapt`.
        vae: the network, already on the device of the chunks.
        train: chunks of the training episodes.
        held: chunks of the held-out episodes.
        target: what the posterior is pulled to.
        steps: optimisation steps.
        seed: seed of batches and noise.
        identity: hash of all that determines the result.
        anchors: of the training and of the held-out chunks, or None.
    """

    name: str
    vae: InfoVAE
    train: Chunks
    held: Chunks
    target: Target
    steps: int
    seed: int
    identity: str
    anchors: tuple[Anchors, Anchors] | None = None
    warned: list[int] = field(default_factory=list, init=False)

    def run(self, config: AlignConfig, directory: Path | None) -> list[dict[str, float]]:
        """Train in place; returns the metric rows. With a directory, a stopped stage continues bit-equal."""
        device = self.train.rows.device
        generator = torch.Generator(device).manual_seed(self.seed)
        optimizer = torch.optim.AdamW(
            self.vae.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay, fused=True
        )
        working = WorkingCopy(self.vae) if config.precision == "bf16" else None
        forward = network(self.vae if working is None else working.network, config)

        @tf32(device, config.precision == "tf32")
        def step(i: int) -> Mapping[str, Tensor]:
            """One step; returns the terms of the loss."""
            for group in optimizer.param_groups:
                group["lr"] = config.learning_rate * learning_rate_factor(config.schedule, i, self.steps)
            if working is not None:
                working.take_weights()
            terms = losses(forward, config=config, **self._draw(0, config, config.batch, generator))
            optimizer.zero_grad(set_to_none=True)
            terms["loss"].backward()
            if working is not None:
                working.give_gradients()
            average(self.vae.parameters())
            optimizer.step()
            return terms

        log_every = max(1, self.steps // ROWS_OF_METRICS)
        best = Best()
        self.vae.train()
        rows = loop.train(
            step,
            # Dropout's generator is part of the state, or a resumed run would differ.
            {
                "vae": self.vae,
                "optimizer": optimizer,
                "noise": generator,
                "dropout": default_generator(device),
                "best": best,
            },
            self.steps,
            directory=None if directory is None else directory / self.name,
            identity=self.identity,
            checkpoint_every=LOGS_PER_CHECKPOINT * log_every,
            log_every=log_every,
            label=f"align: {self.name}",
            own=("dropout",),
            after_log=self._validation(config, best),
        )
        if config.keep == "best" and best.weights:
            self.vae.load_state_dict(best.weights)
        self.vae.freeze()
        return rows

    def _draw(self, part: int, config: AlignConfig, count: int, generator: torch.Generator) -> dict[str, Any]:
        """What `losses` takes besides a network: random chunks, of training (0) or held out (1), and noise."""
        chunks, device = (self.train, self.held)[part], generator.device
        index = torch.randint(len(chunks), (count,), generator=generator, device=device)
        noise = torch.randn((count, config.latent), generator=generator, device=device)
        reference = torch.randn((count, self.target.reference.noise_width), generator=generator, device=device)
        anchors = None if self.anchors is None else self.anchors[part].gather(index)
        random = {"noise": noise, "reference_noise": reference, "anchors": anchors}
        return {"x": chunks.gather(index), "mask": chunks.mask_of(index), "target": self.target, **random}

    def _warn_if_dead(self, done: int, active: float, kl: float) -> None:
        """Warn once, early: a latent without information about its chunk does not recover by further training."""
        if done < EARLY * self.steps or active >= FEWEST_ACTIVE or self.warned:
            return
        self.warned.append(done)
        warnings.warn(
            f"{self.name}: after {done} of {self.steps} steps {active:.0f} of {self.vae.config.latent} latent "
            f"dimensions vary between held-out chunks (KL {kl:.2g} nats a dimension): the latent is dead or dying, and "
            "guidance through it would do nothing. Lower kl_weight or mmd_weight, raise learning_rate, or train longer",
            DeadLatent,
            stacklevel=2,
        )

    def _validation(self, config: AlignConfig, best: Best) -> Callable[[int], Mapping[str, float]]:
        """Held-out terms, without gradients, on the same chunks and noise all through a run; they also go to `best`."""
        generator = torch.Generator(self.held.rows.device).manual_seed(self.seed + 1)
        batch = self._draw(1, config, max(2, min(VALIDATION_CHUNKS, len(self.held))), generator)

        def validate(done: int) -> Mapping[str, float]:
            """The terms of the held-out loss after so many steps, for the metric row."""
            self.vae.eval()
            with torch.no_grad():
                terms = dict(losses(self.vae, config=config, **batch))
                varying = self.vae.encode(batch["x"]).mean.var(0) > ACTIVE_VARIANCE
                terms["active"] = varying.sum().to(terms["loss"])
            self.vae.train()
            # Read at once: each reading waits for the device.
            held = dict(zip(terms, torch.stack(list(terms.values())).tolist(), strict=True))
            best.offer(held["loss"], done, self.vae)
            self._warn_if_dead(done, held["active"], held["kl"])
            return {f"held_{name}": value for name, value in held.items()}

        return validate


def network(vae: InfoVAE, config: AlignConfig) -> Network:
    """The forward pass of `vae`: precision, compilation and share of the batch as configured; float32 comes out.

    With float32, no compilation and one process this is `vae` itself, bit for bit. Losses are computed outside, so that
    divergences are never taken in half precision.
    """
    run: Network = vae if config.compile == "none" else torch.compile(vae, backend=config.compile)
    reduced, dtype = half(config.precision, vae.device), vae.tokens.dtype
    if not reduced and dtype == torch.float32 and processes() == 1:
        return run

    def forward(x: Tensor, noise: Tensor) -> tuple[Tensor, Posterior, Tensor]:
        """As `InfoVAE.forward`, of all processes' rows."""
        own, drawn = own_rows(x), own_rows(noise)
        if dtype == torch.bfloat16:
            own, drawn = own.to(dtype), drawn.to(dtype)
        with torch.autocast(vae.device.type, torch.bfloat16, enabled=reduced):
            decoded, posterior, z = run(own, drawn)
        # Losses are taken in the type of x; the outputs may have another one.
        mean, std = all_rows(posterior.mean.to(x.dtype)), all_rows(posterior.std.to(x.dtype))
        return all_rows(decoded.to(x.dtype)), Posterior(mean, std), all_rows(z.to(x.dtype))

    return forward


def half(precision: str, device: torch.device) -> bool:
    """Whether to multiply in bfloat16 by autocast: `auto` does on GPUs that have it, since on CPUs it is no faster."""
    if precision == "auto":
        return device.type == "cuda" and torch.cuda.is_bf16_supported()
    return precision == "bfloat16"


def steps_of(count: int, unit: str, chunks: int, batch: int) -> int:
    """Optimisation steps of `count` steps or epochs over `chunks` chunks."""
    return count if unit == "steps" else count * math.ceil(chunks / batch)


def learning_rate_factor(schedule: str, step: int, steps: int) -> float:
    """Share of the full learning rate at a step: 1, or warm-up over a twentieth and half a cosine to 0."""
    if schedule == "constant":
        return 1.0
    warm = max(1, steps // 20)
    if step < warm:
        return (step + 1) / warm
    return 0.5 * (1.0 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))
