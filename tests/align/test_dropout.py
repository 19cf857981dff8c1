"""Dropout with cheap masks: the right share, unbiased, independent, and off in evaluation."""

import torch

from ate.align.attention import SelfAttention
from ate.align.dropout import Dropout, keep_mask


def test_share_scale_and_independence():
    torch.manual_seed(0)
    for p in (0.1, 0.5):
        mask = keep_mask(torch.zeros(1000, 1003), p)
        kept = (mask > 0).double()
        assert abs(float(kept.mean()) - (1 - p)) < 4 * (p * (1 - p) / mask.numel()) ** 0.5 + 2**-17
        assert mask.unique().tolist() == [0.0, float(torch.tensor(65536 / (65536 - round(65536 * p))))]
        # Neighbours share a word of the generator.
        for shift in (1, 2, 3, 4):
            a, b = kept.flatten()[:-shift] - (1 - p), kept.flatten()[shift:] - (1 - p)
            assert abs(float((a * b).mean())) < 5 * p * (1 - p) / len(a) ** 0.5


def test_off_in_evaluation_and_repeats_with_the_generator():
    drop, x = Dropout(0.3), torch.randn(5, 7, requires_grad=True)
    torch.manual_seed(1)
    one = drop(x)
    torch.manual_seed(1)
    two = drop(x)
    assert torch.equal(one, two) and not torch.equal(one, drop(x))
    (gradient,) = torch.autograd.grad(one.sum(), x)
    torch.testing.assert_close(one, x * gradient)
    assert drop.eval()(x) is x


def test_attention_of_a_few_tokens_equals_the_whole():
    torch.manual_seed(0)
    attention = SelfAttention(8, 2, 0.0)
    x, attend = torch.randn(3, 6, 8), torch.ones(3, 1, 1, 6, dtype=torch.bool)
    attend[1, ..., 4:] = False
    whole = attention(x, attend)
    torch.testing.assert_close(attention(x, attend, 2), whole[:, :2])
    # In training with dropout the weights are computed here instead of by torch.
    attention.drop.p = 1e-9
    torch.testing.assert_close(attention(x, attend), whole)
    torch.testing.assert_close(attention(x, attend, 2), whole[:, :2])
