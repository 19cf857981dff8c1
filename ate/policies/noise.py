"""Noise paths, and the coefficient k by which a shift of the score becomes a shift of the prediction:

    x_t = α_t·a0 + σ_t·ε        t = 0 is data (α = 1, σ = 0), t = 1 is noise, whatever the policy calls it
    target = p·a0 + q·ε         what the policy regresses
    k = p·σ²/α − q·σ            a score shifted by λ·g shifts the prediction by k·λ·g

The formula for k serves every parameterisation (ATE paper, arXiv 2509.02055, section 3.3; score of a Gaussian path).

| parameterisation | α, σ | p, q | k |
|---|---|---|---|
| `epsilon` | √ᾱ, √(1−ᾱ) | 0, 1 | −σ |
| `sample` | √ᾱ, √(1−ᾱ) | 1, 0 | σ²/α |
| `v` | √ᾱ, √(1−ᾱ) | −σ, α | −σ/α |
| `flow_data_at_1` | τ, 1−τ | 1, −1 | σ/α |
| `flow_noise_at_1` | 1−t, t | −1, 1 | −σ/α |
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

import torch
from torch import Tensor

from ate.errors import unknown

PARAMETERIZATIONS = ("epsilon", "sample", "v", "flow_data_at_1", "flow_noise_at_1")
FLOWS = ("flow_data_at_1", "flow_noise_at_1")
WORDS = MappingProxyType({
    "epsilon": "diffusion (noise)", "sample": "diffusion", "v": "diffusion (velocity)",
    "flow_data_at_1": "flow (data at 1)", "flow_noise_at_1": "flow",
})  # fmt: skip
"""What people call them, for figures and sentences."""
# Below this α the data is invisible in x and k would overflow float32 when squared; the clamp decides there anyway.
SMALLEST_ALPHA = 1e-6


def in_words(parameterization: str) -> str:
    """The name for figures and sentences, e.g. `"diffusion"`; an unknown one as it is."""
    return WORDS.get(parameterization, parameterization)


def target_coefficients(parameterization: str, alpha: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
    """p and q of `target = p·a0 + q·ε`, each of α's shape.

    Raises:
        InputError: unknown parameterisation.
    """
    zero, unit = torch.zeros_like(alpha), torch.ones_like(alpha)
    match parameterization:
        case "epsilon":
            return zero, unit
        case "sample":
            return unit, zero
        case "v":
            return -sigma, alpha
        case "flow_data_at_1":
            return unit, -unit
        case "flow_noise_at_1":
            return -unit, unit
    raise unknown(parameterization, PARAMETERIZATIONS, where="parameterization")


def guidance_coefficient(parameterization: str, alpha: Tensor | float, sigma: Tensor | float) -> Tensor:
    """k = p·σ²/α − q·σ, the shift of the prediction for a unit shift of the score.

    Args:
        parameterization: what the policy predicts.
        alpha: α, any shape; values below 1e-6 are raised to it, where k would diverge.
        sigma: σ, of α's shape.

    Returns:
        k, of α's shape.

    Raises:
        InputError: unknown parameterisation.
    """
    alpha, sigma = torch.as_tensor(alpha), torch.as_tensor(sigma)
    p, q = target_coefficients(parameterization, alpha, sigma)
    return p * sigma.square() / alpha.clamp_min(SMALLEST_ALPHA) - q * sigma


def estimate_coefficient(parameterization: str, alpha: Tensor, sigma: Tensor) -> Tensor:
    """−½·∂â0/∂prediction, of α's shape: the k of an energy taken at the clean estimate â0.

    With it ‖prediction + λ·k·g(â0) − target‖² has the gradient of ‖prediction − target‖² + λ·U(â0), g = −∇U.

    Raises:
        InputError: unknown parameterisation.
    """
    p, q = target_coefficients(parameterization, alpha, sigma)
    determinant = alpha * q - sigma * p
    # ε-prediction divides by α, as in `guidance_coefficient`; the determinant is not near 0 for any other.
    small = determinant.abs() < SMALLEST_ALPHA
    return 0.5 * sigma / torch.where(small, torch.full_like(determinant, SMALLEST_ALPHA), determinant)


def split(parameterization: str, x: Tensor, prediction: Tensor, alpha: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
    """Clean chunk and noise that x and a prediction imply, each `(B, S, D)`: the inverse of x and target.

    Args:
        parameterization: what was predicted.
        x: noised chunks `(B, S, D)`.
        prediction: same shape.
        alpha: α `(B,)`; ε-prediction divides by it, and it is tiny at t = 1: the caller clips the chunk.
        sigma: σ `(B,)`.

    Raises:
        InputError: unknown parameterisation.
    """
    p, q = target_coefficients(parameterization, alpha, sigma)
    alpha, sigma, p, q = (value[:, None, None] for value in (alpha, sigma, p, q))
    determinant = alpha * q - sigma * p
    return (q * x - sigma * prediction) / determinant, (alpha * prediction - p * x) / determinant


def squared_cosine(steps: int) -> Tensor:
    """ᾱ of the squared-cosine schedule, float32 `(steps,)` (Nichol and Dhariwal 2021, equation 17, β ≤ 0.999)."""

    def level(t: float) -> float:
        return math.cos((t + 0.008) / 1.008 * math.pi / 2) ** 2

    betas = [min(1 - level((i + 1) / steps) / level(i / steps), 0.999) for i in range(steps)]
    return torch.cumprod(1 - torch.tensor(betas, dtype=torch.float64), 0).float()


@lru_cache
def _levels(steps: int, device: torch.device) -> Tensor:
    """ᾱ at t = 0, 1/steps, …, 1, kept on the device: a constant is not worth a transfer a step."""
    return torch.cat([torch.ones(1), squared_cosine(steps)]).to(device)


@dataclass(frozen=True)
class NoisePath:
    """A noise path with its parameterisation.

    Attributes:
        parameterization: one of `PARAMETERIZATIONS`.
        steps: discrete noise levels of a diffusion path (squared cosine); a flow's time is continuous.
    """

    parameterization: str
    steps: int = 100

    def __post_init__(self) -> None:
        if self.parameterization not in PARAMETERIZATIONS:
            raise unknown(self.parameterization, PARAMETERIZATIONS, where="parameterization")

    @property
    def is_flow(self) -> bool:
        """Whether the path is the straight line between data and noise."""
        return self.parameterization in FLOWS

    def time(self, uniform: Tensor) -> Tensor:
        """Training times from uniform numbers in [0, 1): as they are for a flow, else the levels 1/steps … 1."""
        return uniform if self.is_flow else (torch.floor(uniform * self.steps) + 1) / self.steps

    def alpha_sigma(self, t: Tensor) -> tuple[Tensor, Tensor]:
        """α and σ at times t in [0, 1], each of t's shape; (1, 0) at t = 0."""
        if self.is_flow:
            return 1 - t, t
        alpha_bar = _levels(self.steps, t.device)[(t * self.steps).round().long()]
        return alpha_bar.sqrt(), (1 - alpha_bar).sqrt()

    def noised(self, a0: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """`x_t` for clean chunks and noise `(B, S, D)` at times `(B,)`."""
        alpha, sigma = (value[:, None, None] for value in self.alpha_sigma(t))
        return alpha * a0 + sigma * noise

    def target(self, a0: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """What the policy regresses, `p·a0 + q·ε`, `(B, S, D)`."""
        p, q = (v[:, None, None] for v in target_coefficients(self.parameterization, *self.alpha_sigma(t)))
        return p * a0 + q * noise

    def coefficient(self, t: Tensor) -> Tensor:
        """k at times `(B,)`, shape `(B, 1, 1)`."""
        return guidance_coefficient(self.parameterization, *self.alpha_sigma(t))[:, None, None]

    def split(self, x: Tensor, prediction: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        """Clean chunk and noise that x and a prediction at times `(B,)` imply, each `(B, S, D)`."""
        return split(self.parameterization, x, prediction, *self.alpha_sigma(t))
