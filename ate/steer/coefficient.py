"""k = p·σ²/α − q·σ, the guidance coefficient: the noise path's own, offered where guidance is looked for."""

from ate.policies.noise import guidance_coefficient

__all__ = ["guidance_coefficient"]
