"""Budgets: what is refused, how the learning rate goes, and by what name a run is known."""

import math
from itertools import pairwise

import pytest

from ate.errors import InputError
from ate.steer import OptimConfig


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"steps": 0}, "steps"),
        ({"batch": 0}, "batch"),
        ({"accumulate": 0}, "accumulate"),
        ({"warmup": -1}, "warmup"),
        ({"learning_rate": -1.0}, "learning_rate"),
        ({"learning_rate": math.inf}, "learning_rate"),
        ({"clip": 0.0}, "clip"),
        ({"ema": 1.0}, "decay in"),
        ({"schedule": "cosinus"}, "did you mean 'cosine'"),
        ({"precision": "bfloat"}, "did you mean 'bfloat16'"),
        ({"learning_rat": 1e-3}, "did you mean 'learning_rate'"),
    ],
)
def test_bad_budgets_are_refused(change, words):
    with pytest.raises(InputError, match=words):
        OptimConfig.of(change)


def test_the_learning_rate_rises_then_follows_its_schedule():
    constant, cosine = (OptimConfig(steps=20, warmup=4, schedule=name) for name in ("constant", "cosine"))
    assert [constant.learning_rate_factor(i) for i in range(6)] == [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]
    values = [cosine.learning_rate_factor(i) for i in range(21)]
    assert values[:5] == [0.25, 0.5, 0.75, 1.0, 1.0]
    assert all(a > b for a, b in pairwise(values[4:]))
    assert values[12] == pytest.approx(0.5) and values[20] == pytest.approx(0.0, abs=1e-15)
    plain = OptimConfig(steps=20, schedule="cosine")
    assert [plain.learning_rate_factor(i) for i in (0, 10, 20, 30)] == pytest.approx([1.0, 0.5, 0.0, 0.0], abs=1e-15)


def test_a_run_is_named_by_what_it_cannot_change():
    assert OptimConfig(steps=10).identity == OptimConfig(steps=20).identity
    assert OptimConfig(steps=10, schedule="cosine").identity != OptimConfig(steps=20, schedule="cosine").identity
    for change in (
        {"batch": 32},
        {"ema": 0.9},
        {"accumulate": 2},
        {"warmup": 3},
        {"clip": 1.0},
        {"precision": "bfloat16"},
    ):
        assert OptimConfig(**change).identity != OptimConfig().identity
