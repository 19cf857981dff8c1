"""`device=` decides where training, measuring and guiding happen; `ATE_DEVICE` names only the default."""

import pytest
import torch

from ate.errors import InputError
from ate.policies import build
from ate.steer import Guidance, GuidedPolicy, OptimConfig, attach, dry_run, finetune, finetune_methods, pretrain
from ate.steer.encoder import IdentityEncoder
from tests.steer.loops import D, S, draw
from tests.steer.strangers import DiffusionPolicy


@pytest.fixture
def calls(make_set):
    """Each function that computes, by name, as a function of the device."""
    torch.set_num_threads(1)
    sets, guidance = (make_set("one", joints=7),), Guidance(IdentityEncoder(8, 8))
    policy, optim = build(sets, 8, seed=0, width=8, hidden=8), OptimConfig(2, 4)
    theirs, own = DiffusionPolicy(S, D), Guidance(IdentityEncoder(D, S))

    def attached(device):
        with attach(theirs, own, device=device):
            theirs(*draw())

    methods = {"a": GuidedPolicy(policy, guidance)}
    return {
        "finetune": lambda device: finetune(policy, sets[0], guidance, steps=2, batch=4, device=device),
        "finetune_methods": lambda device: finetune_methods(methods, sets[0], optim, device=device),
        "pretrain": lambda device: pretrain(policy, sets, optim, device=device),
        "dry_run": lambda device: dry_run(policy, sets[0], guidance, batches=1, batch=4, device=device),
        "attach": attached,
    }


@pytest.mark.parametrize("name", ["finetune", "finetune_methods", "pretrain", "dry_run", "attach"])
def test_a_given_device_counts_more_than_the_environments(calls, monkeypatch, name):
    monkeypatch.setenv("ATE_DEVICE", "nowhere")
    calls[name]("cpu")
    calls[name](torch.device("cpu"))
    with pytest.raises(InputError) as refused:
        calls[name]("abacus")
    assert (refused.value.where, refused.value.got) == ("device", "'abacus'")
