"""Guidance: the gradient of a latent distance, clamped and scaled into a shift of the regression target.

    g = −∇_x ‖E_ψ(x) − E_ψ(a0)‖²        shift = λ·w(t)·clamp(k·g, ±c)        loss = ‖prediction + shift − target‖²

(ATE paper, arXiv 2509.02055, section 3.3; the clamp is of the released code.) The gradient is taken with
respect to x alone, without a graph through any policy, so guidance costs nothing at inference.

Where the energy is taken is an option. At the noised chunk (the paper) the shift moves what the policy regresses. At
the policy's own clean estimate â0, with k = −½·∂â0/∂prediction, the very same loss has the gradient of

    ‖prediction − target‖² + λ·w(t)·‖E_ψ(â0) − E_ψ(a0)‖²

in the prediction: a latent auxiliary loss, whose minimum is still the data.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from ate.data.columns import matching
from ate.errors import InputError
from ate.runs.device import placed
from ate.steer.encoder import Encoder
from ate.steer.goals import Goals
from ate.steer.guidance_config import GuidanceConfig

if TYPE_CHECKING:
    from ate.align.alignment import Alignment
    from ate.data.space import ActionSpace

DECODE_BATCH = 4096


@dataclass(frozen=True, eq=False, init=False)
class Guidance:
    """Latent guidance by one encoder.

    Attributes:
        vae: the adaptation Info-VAE; put into eval mode and frozen in place.
        config: λ, clamp and every other option.
        mask: slots to guide, bool or 0/1 `(D,)`; None guides all. The rest gets exactly 0.
        slots: columns of the policy's action vector that are the encoder's columns, in its order; None where
            both have the same columns. The other columns get exactly 0.
        space: action space the encoder was trained in, if known; fine-tuning then happens in it.
        horizon: chunk length the encoder was trained on, if known; a policy of another horizon is refused.
        goals: E_φ of the chunk that starts at each row of a replay's episodes: where guidance at pre-training
            observations pulls to (`ate.steer.goals`).
    """

    vae: Encoder
    config: GuidanceConfig
    mask: Tensor | np.ndarray | None
    slots: tuple[int, ...] | None
    space: "ActionSpace | None"
    horizon: int | None
    goals: Goals | None

    def __init__(
        self,
        vae: Encoder,
        config: GuidanceConfig | str | None = None,
        *,
        mask: Tensor | np.ndarray | None = None,
        slots: tuple[int, ...] | None = None,
        space: "ActionSpace | None" = None,
        horizon: int | None = None,
        goals: Goals | None = None,
        **options: Any,
    ) -> None:
        """Guidance of a configuration, the preset of a name or the default, with `options` of `GuidanceConfig` changed.

        Raises:
            InputError: an option that `GuidanceConfig` refuses, a mask or slots of the wrong width, or guidance at
                pre-training observations without goals.
        """
        own = {"vae": vae, "config": GuidanceConfig.of(config, options), "mask": mask, "slots": slots, "space": space,
               "horizon": horizon, "goals": goals}  # fmt: skip
        for name, value in own.items():
            object.__setattr__(self, name, value)
        features = vae.config.features
        if slots is not None and len(slots) != features:
            raise InputError(
                f"{len(slots)} slots", where="guidance slots",
                expected=f"{features}, one for each column of the encoder's input",
                fix="take the slots of the robot's embodiment",
            )  # fmt: skip
        if mask is not None and slots is None and len(mask) != features:
            raise InputError(
                f"{len(mask)} entries", where="guidance mask",
                expected=f"{features}, one for each column of the action vector",
                fix="make the mask from the robot's embodiment",
            )  # fmt: skip
        if self.config.at_pretraining and (goals is None or goals.latents.shape[1:] != (vae.config.latent,)):
            raise InputError(
                "no goals" if goals is None else f"goals of {goals.latents.shape[1]} dimensions",
                where="guidance at pre-training observations",
                expected=f"a latent of {vae.config.latent} dimensions for what was done at each row of the replay",
                fix="pass goals=Goals.of(alignment, pretrain, retargeted), or guide at the demonstrations",
            )
        vae.eval().requires_grad_(False)

    @classmethod
    def of(
        cls,
        alignment: "Alignment",
        config: GuidanceConfig | str | None = None,
        *,
        vae: Encoder | None = None,
        joints: Sequence[str] | None = None,
        goals: Goals | None = None,
        **options: Any,
    ) -> "Guidance":
        """Guidance by an alignment's adaptation encoder, masked to the slots that its robot moves.

        Args:
            alignment: encoder, action space and horizon.
            config: as the class.
            vae: another encoder in its place, a control say.
            joints: names or patterns (`shoulder_*`) of the joints to guide; None guides all that move.
            goals: as the class.
            options: of `GuidanceConfig`, by name.

        Raises:
            InputError: a name or pattern that no joint of the alignment has, or as the class.
        """
        mask = alignment.space.loss_mask
        if joints is not None:
            guided = np.zeros_like(mask)
            index = matching(alignment.joint_names, joints, "joints of guidance")
            guided[[alignment.space.embodiment.slots[i] for i in index]] = True
            mask = mask & guided
        return cls(
            vae or alignment.encoder, config, mask=mask, slots=alignment.space.embodiment.slots, space=alignment.space,
            horizon=alignment.config.chunk, goals=goals, **options,
        )  # fmt: skip

    def on(self, device: torch.device | str, known: dict[int, Encoder] | None = None) -> "Guidance":
        """The guidance on a device: with a copy of an encoder that is elsewhere; this one stays where it is.

        Args:
            device: where to.
            known: copies by the number (`id`) of their encoder, so that guidances that share one share its copy.
        """
        known = {} if known is None else known
        vae = known.setdefault(id(self.vae), placed(self.vae, device))
        goals = None if self.goals is None else self.goals.to(device)
        return self if vae is self.vae and goals is self.goals else replace(self, vae=vae, goals=goals)

    def latents(self, chunks: Tensor, noise: Tensor | None = None) -> Tensor:
        """`E_ψ` of chunks `(B, S, D)`, `(B, d)`; noise `(B, d)` or `(1, B, d)` is needed for `latent="sample"`."""
        posterior = self.vae.encode(self._columns(chunks))
        if self.config.latent != "sample":
            return posterior.mean
        if noise is None:
            raise InputError(
                "no noise", where="guidance with latent='sample'", expected="noise (B, d)", fix="pass noise="
            )
        return posterior.mean + posterior.std * noise.reshape(posterior.mean.shape)

    def gradient(
        self,
        x: Tensor,
        a0: Tensor,
        noise: Tensor | None = None,
        target: Tensor | None = None,
    ) -> Tensor:
        """g, `(B, S, D)`, masked; no graph is left behind.

        Args:
            x: noised chunks `(B, S, D)`.
            a0: clean chunks, same shape.
            noise: shared latent noise for `latent="sample"`.
            target: `latents(a0)` or `goal(rows)` computed before, since it depends on the data alone.

        Raises:
            InputError: x is not `(B, S, D)` of a0's shape and of columns that the encoder takes.
        """
        features = self.vae.config.features
        fits = x.shape[-1] == features if self.slots is None else x.shape[-1] > max(self.slots)
        if x.ndim != 3 or not fits or x.shape != a0.shape:
            raise InputError(
                f"x {tuple(x.shape)} and a0 {tuple(a0.shape)}",
                where="guidance",
                expected=f"two batches (B, S, {features}) of one shape, or slots that name the encoder's columns",
                fix="map actions into the space the encoder was trained in, or pass slots=",
            )
        with torch.no_grad():
            goal = self._compared(a0, noise) if target is None else target
        with torch.enable_grad():
            moving = x.detach().requires_grad_(True)
            squared = (self._compared(moving, noise) - goal).square()
            energy = squared.mean() if self.config.reduction == "mean" else squared.sum()
            (slope,) = torch.autograd.grad(energy, moving)
        g = -slope
        return g if self._weights is None else g * self._weights.to(g)

    def goal(self, rows: Tensor) -> Tensor:
        """Where guidance at pre-training observations pulls to, at rows `(B,)` of the goals.

        Latents `(B, d)`; or, between decoded chunks, what they decode to `(B, S, C)`.
        """
        return self._goals[rows.to(self._goals.device)]

    @cached_property
    @torch.no_grad()
    def _goals(self) -> Tensor:
        if self.goals is None:
            raise InputError("no goals", where="guidance", expected="goals of each row", fix="pass goals=")
        latents = self.goals.latents.to(self.vae.device)
        if self.config.latent != "decoded":
            return latents
        # They depend on the data alone, and are decoded once.
        return torch.cat([self.vae.decode(part, self.goals.length) for part in latents.split(DECODE_BATCH)])

    def _compared(self, x: Tensor, noise: Tensor | None) -> Tensor:
        """What the energy is the distance between: latents `(B, d)`, or chunks as they are decoded `(B, S, C)`."""
        return self.vae.as_decoded(self._columns(x)) if self.config.latent == "decoded" else self.latents(x, noise)

    def _columns(self, chunks: Tensor) -> Tensor:
        """The encoder's columns of chunks `(B, S, D)`."""
        return chunks if self._index is None else chunks.index_select(-1, self._index.to(chunks.device))

    # Constants of the guidance live on the encoder's device: a step must not fetch them from the host.
    @cached_property
    def _index(self) -> Tensor | None:
        return None if self.slots is None else torch.tensor(self.slots, device=self.vae.device)

    @cached_property
    def _weights(self) -> Tensor | None:
        return None if self.mask is None else torch.as_tensor(self.mask, device=self.vae.device).float()

    @cached_property
    def gradient_key(self) -> tuple[object, ...]:
        """What g depends on: guidances of one key differ in the scale of the shift alone and share g."""
        mask = None if self.mask is None else tuple(bool(value) for value in self.mask)
        return id(self.vae), self.config.gradient_key, mask, self.slots

    def clamped(self, kg: Tensor) -> Tensor:
        """Where the clamp decides, bool of the shape of k·g `(B, S, D)`."""
        return self.config.clamped(kg, self._guided)

    def scale(self, kg: Tensor, alpha: Tensor | None = None) -> Tensor:
        """λ·w·clamp(k·g, ±c), with the sign, of k·g `(B, S, D)`; w from α `(B,)`, 1 where the schedule is constant.

        Raises:
            InputError: a schedule, and no α.
        """
        return self.config.scale(kg, self._guided, alpha)

    @cached_property
    def _guided(self) -> int:
        """How many of the columns are guided."""
        columns = set(range(self.vae.config.features) if self.slots is None else self.slots)
        if self.mask is not None:
            columns &= {i for i, used in enumerate(self.mask) if bool(used)}
        return max(1, len(columns))

    def shift(
        self, x: Tensor, a0: Tensor, k: Tensor | float, noise: Tensor | None = None, alpha: Tensor | None = None
    ) -> Tensor:
        """The shift of x's shape: what is added to the prediction, or taken from the target.

        Args:
            x: noised chunks `(B, S, D)` in normalised units; clean estimates where the energy is taken there.
            a0: clean chunks, same shape.
            k: coefficient a sample, `(B,)` or broadcastable to `(B, 1, 1)`, from `ate.policies.noise`.
            noise: shared latent noise for `latent="sample"`.
            alpha: α a sample, `(B,)`, for a schedule that is not constant.
        """
        k = torch.as_tensor(k, dtype=x.dtype, device=x.device)
        k = k[:, None, None] if k.ndim == 1 else k
        return self.scale(k * self.gradient(x, a0, noise), alpha)
