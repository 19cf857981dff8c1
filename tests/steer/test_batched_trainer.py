"""Stacked methods against methods one by one: every form of guidance, both networks, all options of the optimiser."""

import pytest
import torch
from torch import nn

from ate.align.vae import InfoVAE
from ate.align.vae_config import VAEConfig
from ate.errors import InputError
from ate.policies import build
from ate.steer import Evaluation, Guidance, GuidedPolicy, OptimConfig, finetune_methods
from ate.steer.batched_trainer import Stack

FORMS = {
    "a": {"lam": 2.0, "clamp": 0.1},
    "b": {"lam": 0.5, "sign": -1},
    "c": {"lam": 3.0, "clamp": 0.1, "reduction": "mean", "latent": "sample"},
    "d": {"lam": 0.5, "energy_at": "x0_hat"},
    "e": {"lam": 2.0, "energy_at": "x0_hat", "clamp": 0.05},
    "f": {"lam": 2.0, "clamp": 0.1, "clip": "norm", "schedule": "alpha"},
}


@pytest.fixture
def setting(make_set):
    new = make_set("new", joints=6)
    torch.manual_seed(3)
    vae = InfoVAE(VAEConfig(features=7, latent=8, layers=3, heads=2, feedforward=16, dropout=0.0))
    return new, vae


def methods_of(new, vae, **network):
    policy = build([new], 8, seed=0, **network)
    guided = {name: GuidedPolicy(policy, Guidance(vae, "paper", **form)) for name, form in FORMS.items()}
    return {"direct": GuidedPolicy(policy), "scratch": GuidedPolicy(policy.fresh(1)), **guided}


def weights(policy):
    return torch.cat([p.detach().flatten() for p in policy.parameters()])


@pytest.mark.parametrize(
    ("network", "options"),
    [
        ({"hidden": 16}, {}),
        ({"hidden": 16}, {"ema": 0.9, "warmup": 2, "lr_schedule": "cosine", "accumulate": 2, "max_grad_norm": 0.3}),
        ({"network": "unet", "hidden": 16}, {"max_grad_norm": 0.3}),
        ({"hidden": 16, "film": True, "anchor": "qpos", "joint_noise": 0.05}, {}),
    ],
)
@pytest.mark.slow
def test_stacked_methods_are_the_methods(setting, network, options):
    """Up to the rounding of a batched product, which is another kernel than that of a single one.

    AdamW makes a full step of a gradient that is zero but for rounding, so that single weights may differ by a step:
    the distance of all weights together is what is bounded, at 1 % of how far the method has moved.
    """
    new, vae = setting
    methods, optim = methods_of(new, vae, **network), OptimConfig(steps=6, batch=16, **options)
    alone = finetune_methods(methods, new, optim, stacked=False)
    together = finetune_methods(methods, new, optim, stacked=True)
    assert list(together) == list(alone) == list(methods)
    for name, method in methods.items():
        one, other = weights(alone[name].policy), weights(together[name].policy)
        assert (other - one).norm() < 0.01 * (one - weights(method.policy)).norm(), name
        assert [row["loss"] for row in together[name].loss] == pytest.approx([row["loss"] for row in alone[name].loss])
        assert len(together[name].meter) == len(alone[name].meter) and bool(alone[name].meter) == (
            method.guidance is not None
        )
        for row, expected in zip(together[name].meter, alone[name].meter, strict=True):
            assert row == pytest.approx(expected, rel=2e-3, abs=1e-5)
    assert not torch.equal(weights(together["a"].policy), weights(together["b"].policy))


def test_methods_do_not_see_their_company(setting):
    """What another method is changes nothing: not even the last bit, for as many methods."""
    new, vae = setting
    policy = build([new], 8, seed=0, hidden=16)
    found = [
        finetune_methods(
            {"a": GuidedPolicy(policy, Guidance(vae, "paper", lam=1.0, clamp=0.1)), "b": other},
            new,
            OptimConfig(steps=4, max_grad_norm=0.1),
            stacked=True,
        )
        for other in (GuidedPolicy(policy), GuidedPolicy(policy.fresh(2), Guidance(vae, "paper", lam=50.0)))
    ]
    assert torch.equal(*(weights(one["a"].policy) for one in found))


@pytest.mark.slow
def test_a_stacked_run_resumes_to_the_same_bits(setting, tmp_path):
    new, vae = setting
    methods, options = methods_of(new, vae, hidden=16), {"batch": 8, "ema": 0.9}
    whole = finetune_methods(methods, new, OptimConfig(steps=40, **options), stacked=True)
    evaluation = Evaluation(new, every=20)
    finetune_methods(
        methods, new, OptimConfig(steps=20, **options), stacked=True, directory=tmp_path, evaluation=evaluation
    )
    resumed = finetune_methods(
        methods, new, OptimConfig(steps=40, **options), stacked=True, directory=tmp_path, evaluation=evaluation
    )
    for name in methods:
        assert torch.equal(weights(whole[name].policy), weights(resumed[name].policy)), name
        assert whole[name].meter == resumed[name].meter
        assert [row["step"] for row in resumed[name].evaluation] == [20, 40]
        assert resumed[name].evaluation[-1]["error"] == evaluation.of(resumed[name].policy)["error"]


def test_methods_of_several_networks_are_not_stacked(setting):
    new, vae = setting
    several = {**methods_of(new, vae, hidden=16), "wide": GuidedPolicy(build([new], 8, seed=0, hidden=24))}
    with pytest.raises(InputError, match="2 networks"):
        finetune_methods(several, new, OptimConfig(steps=1), stacked=True)


def test_a_stack_holds_and_returns_its_modules():
    modules = [nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1)) for _ in range(4)]
    stack, copies = Stack(modules), [nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1)) for _ in range(4)]
    assert {name: tuple(p.shape) for name, p in stack.by_name().items()} == {
        "0.weight": (4, 3, 2), "0.bias": (4, 3), "1.weight": (4, 1, 3), "1.bias": (4, 1),
    }  # fmt: skip
    stack.write(copies)
    for one, other in zip(modules, copies, strict=True):
        assert torch.equal(weights(one), weights(other))
