"""A tiny RDT runner and a batch for it."""

import pytest
import torch

from ate.errors import InputError
from ate.policies.rdt.runner import Runner, RunnerConfig

TINY = RunnerConfig(
    action_dim=128, pred_horizon=8, hidden_size=32, depth=2, num_heads=4, lang_token_dim=12, img_token_dim=10,
    max_lang_cond_len=6, img_cond_len=5,
)  # fmt: skip
ARM = [0, 1, 2, 3, 4, 5, 10]


def refused(call):
    """The error that a call raises."""
    with pytest.raises(InputError) as caught:
        call()
    return caught.value


def runner(seed=0, **options):
    torch.manual_seed(seed)
    return Runner(TINY, **options)


def batch(size=3, seed=1):
    generator = torch.Generator().manual_seed(seed)

    def randn(*shape):
        return torch.randn(*shape, generator=generator)

    mask = torch.zeros(size, 1, 128)
    mask[..., ARM] = 1
    words = torch.arange(4) < torch.tensor([[4], [2], [1]])
    return {
        "lang_tokens": randn(size, 4, 12),
        "lang_attn_mask": words,
        "img_tokens": randn(size, 5, 10),
        "state_tokens": randn(size, 1, 128) * mask,
        "action_mask": mask,
        "ctrl_freqs": torch.tensor([25.0, 10.0, 50.0]),
    }, randn(size, 8, 128).clamp(-1, 1) * mask, randn(size, 8, 128)  # fmt: skip
