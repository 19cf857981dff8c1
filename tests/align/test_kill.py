"""A run that is killed at any moment, however often, ends with the same bits as one that is not."""

import os

import pytest
import torch

import ate.align
from ate.align import AlignConfig
from benchmarks.soaks.kill_alignment import differing, soak

from .conftest import robot

KILLS = int(os.environ.get("ATE_KILLS", "5"))
CONFIG = AlignConfig(
    chunk=8, latent=8, layers=3, heads=2, feedforward=16, dropout=0.1, pretrain_steps=36, adapt_steps=24,
    unit="steps", batch=16, learning_rate=1e-3,
)  # fmt: skip


def train(folder):
    torch.set_num_threads(1)
    ate.align.fit((robot("seven", 8, 6, 1), robot("six", 7, 6, 2)), robot("new", 7, 6, 3), CONFIG, folder)


@pytest.mark.slow
def test_killed_again_and_again_and_resumed_is_bit_equal(tmp_path):
    found = soak(train, tmp_path, KILLS)
    assert found["killed"] == KILLS and found["finished"] >= 1
    assert found["wrong"] == []


def test_one_bit_is_seen():
    one = {"a": torch.tensor([1.0, 0.0])}
    assert differing(one, {"a": torch.tensor([1.0, 0.0])}) == []
    assert differing(one, {"a": torch.tensor([1.0, -0.0])}) == ["a"]
    assert differing(one, {}) == ["a"]
