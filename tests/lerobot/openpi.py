"""What lerobot 0.4.4 expects of transformers and no release of transformers has.

Its π0 and π0.5 ask for a branch of transformers ("fix/lerobot_openpi", never released to the registry) in which Gemma's
norm takes a condition and answers with a gate. lerobot 0.5 and later carry that norm themselves and need none of this.
"""

import sys
import types

import torch
from torch import nn


class AdaptiveNorm(nn.Module):
    """RMS norm that a condition scales, shifts and gates: `(normed, gate)`, the gate None without a condition."""

    def __init__(self, dim, condition):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(dim))
        self.dense = None if condition is None else nn.Linear(condition, 3 * dim)

    def forward(self, x, cond=None):
        normed = nn.functional.rms_norm(x.float(), x.shape[-1:], eps=1e-6)
        if cond is None or self.dense is None:
            return (normed * (1 + self.weight)).to(x.dtype), None
        scale, shift, gate = self.dense(cond)[:, None].chunk(3, -1)
        return (normed * (1 + scale) + shift).to(x.dtype), gate.to(x.dtype)


def gated_residual(x, y, gate):
    return x + y if gate is None else x + y * gate


def adapt(gemma, condition):
    """The norms of a Gemma of released transformers in place of the branch's."""
    for layer in gemma.layers:
        for name in ("input_layernorm", "post_attention_layernorm"):
            setattr(layer, name, AdaptiveNorm(gemma.config.hidden_size, condition))
    gemma.norm = AdaptiveNorm(gemma.config.hidden_size, condition)


def pretend_branch(monkeypatch):
    """Answers the question by which 0.4.4 recognises the branch, and lends it the branch's one function."""
    check = types.ModuleType("transformers.models.siglip.check")
    check.check_whether_transformers_replace_is_installed_correctly = lambda: True
    monkeypatch.setitem(sys.modules, check.__name__, check)
    from transformers.models import siglip
    from transformers.models.gemma import modeling_gemma

    monkeypatch.setattr(siglip, "check", check, raising=False)
    monkeypatch.setattr(modeling_gemma, "_gated_residual", gated_residual, raising=False)
