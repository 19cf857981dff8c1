"""Stacked arms against arms one by one: every form of guidance, both networks, all options of the optimiser."""

import pytest
import torch
from torch import nn

from ate.align.vae import InfoVAE, VAEConfig
from ate.errors import InputError
from ate.policies import build
from ate.steer import Arm, Budget, Evaluation, Guidance, finetune_arms
from ate.steer.batched_trainer import Stack
from ate.steer.training import _stacks

FORMS = {
    "a": {"lam": 2.0, "clamp": 0.1},
    "b": {"lam": 0.5, "sign": -1},
    "c": {"lam": 3.0, "clamp": 0.1, "energy": "released", "latent": "sample"},
    "d": {"lam": 0.5, "at": "estimate"},
    "e": {"lam": 2.0, "at": "estimate", "clamp": 0.05},
    "f": {"lam": 2.0, "clamp": 0.1, "bound": "norm", "schedule": "alpha"},
}


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def setting(make_set):
    new = make_set("new", joints=6)
    torch.manual_seed(3)
    vae = InfoVAE(VAEConfig(features=7, latent=8, layers=3, heads=2, feedforward=16, dropout=0.0))
    return new, vae


def arms_of(new, vae, **network):
    policy = build([new], 8, seed=0, **network)
    guided = {name: Arm(policy, Guidance(vae, **form)) for name, form in FORMS.items()}
    return {"direct": Arm(policy), "scratch": Arm(policy.fresh(1)), **guided}


def weights(policy):
    return torch.cat([p.detach().flatten() for p in policy.parameters()])


@pytest.mark.parametrize(
    ("network", "options"),
    [
        ({"hidden": 16}, {}),
        ({"hidden": 16}, {"ema": 0.9, "warmup": 2, "schedule": "cosine", "accumulate": 2, "clip": 0.3}),
        ({"network": "unet", "hidden": 16}, {"clip": 0.3}),
    ],
)
def test_stacked_arms_are_the_arms(setting, network, options):
    """Up to the rounding of a batched product, which is another kernel than that of a single one.

    AdamW makes a full step of a gradient that is zero but for rounding, so that single weights may differ by a step:
    the distance of all weights together is what is bounded, at 1 % of how far the arm has moved.
    """
    new, vae = setting
    arms, budget = arms_of(new, vae, **network), Budget(steps=6, batch=16, **options)
    alone = finetune_arms(arms, new, budget, stacked=False)
    together = finetune_arms(arms, new, budget, stacked=True)
    assert list(together) == list(alone) == list(arms)
    for name, arm in arms.items():
        one, other = weights(alone[name].policy), weights(together[name].policy)
        assert (other - one).norm() < 0.01 * (one - weights(arm.policy)).norm(), name
        assert [row["loss"] for row in together[name].loss] == pytest.approx([row["loss"] for row in alone[name].loss])
        assert len(together[name].meter) == len(alone[name].meter) and bool(alone[name].meter) == (
            arm.guidance is not None
        )
        for row, expected in zip(together[name].meter, alone[name].meter, strict=True):
            assert row == pytest.approx(expected, rel=2e-3, abs=1e-5)
    assert not torch.equal(weights(together["a"].policy), weights(together["b"].policy))


def test_arms_do_not_see_their_company(setting):
    """What another arm is changes nothing: not even the last bit, for as many arms."""
    new, vae = setting
    policy = build([new], 8, seed=0, hidden=16)
    found = [
        finetune_arms(
            {"a": Arm(policy, Guidance(vae, 1.0, 0.1)), "b": other}, new, Budget(steps=4, clip=0.1), stacked=True
        )
        for other in (Arm(policy), Arm(policy.fresh(2), Guidance(vae, 50.0)))
    ]
    assert torch.equal(*(weights(one["a"].policy) for one in found))


def test_a_stacked_run_resumes_to_the_same_bits(setting, tmp_path):
    new, vae = setting
    arms, options = arms_of(new, vae, hidden=16), {"batch": 8, "ema": 0.9}
    whole = finetune_arms(arms, new, Budget(steps=40, **options), stacked=True)
    evaluation = Evaluation(new, every=20)
    finetune_arms(arms, new, Budget(steps=20, **options), stacked=True, directory=tmp_path, evaluation=evaluation)
    resumed = finetune_arms(
        arms, new, Budget(steps=40, **options), stacked=True, directory=tmp_path, evaluation=evaluation
    )
    for name in arms:
        assert torch.equal(weights(whole[name].policy), weights(resumed[name].policy)), name
        assert whole[name].meter == resumed[name].meter
        assert [row["step"] for row in resumed[name].evaluation] == [20, 40]
        assert resumed[name].evaluation[-1]["error"] == evaluation.of(resumed[name].policy)["error"]


def test_arms_are_stacked_on_a_gpu_where_they_are_of_one_network(setting):
    new, vae = setting
    arms, gpu, cpu = arms_of(new, vae, hidden=16), torch.device("cuda"), torch.device("cpu")
    assert _stacks(arms, gpu, None) and _stacks(arms, cpu, True)
    assert not _stacks(arms, cpu, None) and not _stacks(arms, gpu, False) and not _stacks({"a": arms["a"]}, gpu, None)
    several = {**arms, "wide": Arm(build([new], 8, seed=0, hidden=24))}
    assert not _stacks(several, gpu, None)
    with pytest.raises(InputError, match="2 networks"):
        finetune_arms(several, new, Budget(steps=1), stacked=True)


def test_a_stack_holds_and_returns_its_modules():
    modules = [nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1)) for _ in range(4)]
    stack, copies = Stack(modules), [nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1)) for _ in range(4)]
    assert {name: tuple(p.shape) for name, p in stack.by_name().items()} == {
        "0.weight": (4, 3, 2), "0.bias": (4, 3), "1.weight": (4, 1, 3), "1.bias": (4, 1),
    }  # fmt: skip
    stack.write(copies)
    for one, other in zip(modules, copies, strict=True):
        assert torch.equal(weights(one), weights(other))
