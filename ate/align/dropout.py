"""Dropout whose masks are cheap on a CPU.

On one CPU thread torch draws one Bernoulli number an element (about 12 ns), which was a quarter of a training step.
Sixteen random bits an element say the same and cost a tenth: an element is dropped where they, read as a whole
number, are among the lowest `round(2¹⁶ · p)`. So p is met within 2⁻¹⁷, and what is kept is scaled by the share that
is kept exactly. On other devices this is torch's own dropout.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

_LEVELS = 2**16
_LOWEST = -(2**15)
_LOWEST_WORD = -(2**63)


class Dropout(nn.Module):
    """Zeroes elements with probability p in training and scales up the rest; draws from the global generator.

    Args:
        p: probability, in [0, 1).
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        """The same shape."""
        if not self.training or self.p == 0.0:
            return x
        if x.device.type != "cpu":
            return functional.dropout(x, self.p)
        return x * keep_mask(x, self.p)


def keep_mask(x: Tensor, p: float) -> Tensor:
    """0 with probability p, else 1 / (1 − p), in the shape and type of a CPU tensor."""
    dropped = round(_LEVELS * p)
    count = x.numel()
    # Words of 64 bits are the fastest that the generator gives; each holds four elements' bits.
    words = torch.empty((count + 3) // 4, dtype=torch.int64).random_(_LOWEST_WORD, None)
    # Compared in place, for a comparison into booleans and their conversion would take longer than the random numbers.
    kept = words.view(torch.int16)[:count].view(x.shape).ge_(_LOWEST + dropped)
    return kept.to(x.dtype).mul_(_LEVELS / (_LEVELS - dropped))
