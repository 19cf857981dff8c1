"""The moving average of weights against its recursion worked out in numbers."""

import copy

import pytest
import torch
from torch import nn

from ate.steer.trainer import WeightAverage as ema


def module(value):
    one = nn.Linear(1, 1, bias=False)
    nn.init.constant_(one.weight, value)
    return one


@pytest.mark.parametrize("decay", [0.15, 0.999])
def test_the_average_follows_its_recursion(decay):
    one, values = module(100.0), [1.0, 2.0, 4.0, -3.0, 0.5]
    average = ema(one, decay)
    expected = None
    for n, value in enumerate(values):
        nn.init.constant_(one.weight, value)
        average.update_parameters(one)
        beta = min(decay, (1 + n) / (10 + n))
        expected = value if expected is None else beta * expected + (1 - beta) * value
        assert average.module.weight.item() == pytest.approx(expected, abs=1e-5)
    assert one.weight.item() == values[-1]


def test_weights_that_stand_still_are_their_average():
    one = module(3.0)
    average = ema(one, 0.99)
    for _ in range(20):
        average.update_parameters(one)
    assert average.module.weight.item() == 3.0


def test_a_state_goes_on_to_the_same_bits():
    one = module(1.0)
    first, second = ema(one, 0.9), ema(one, 0.9)
    for value in range(30):
        nn.init.constant_(one.weight, float(value) ** 0.5)
        first.update_parameters(one)
        if value == 11:
            second.load_state_dict(copy.deepcopy(first.state_dict()))
        elif value > 11:
            second.update_parameters(one)
    assert torch.equal(first.module.weight, second.module.weight)
