"""A network that computes in bf16 throughout: same training up to rounding, and hardly a cast."""

from collections import Counter

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from ate.align import AlignConfig
from ate.align.losses import Target, losses
from ate.align.priors import standard
from ate.align.trainer import network
from ate.align.vae import InfoVAE
from ate.align.vae_config import VAEConfig
from ate.policies import build
from ate.runs.working_copy import WorkingCopy
from ate.steer import GuidedPolicy, OptimConfig, finetune, finetune_methods


class Casts(TorchDispatchMode):
    """Counts operations that change a type between float32 and bf16."""

    def __init__(self):
        super().__init__()
        self.count = Counter()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        found = function(*args, **(kwargs or {}))
        name = function.overloadpacket.__name__
        if name == "_to_copy" and found.dtype != args[0].dtype and found.is_floating_point():
            self.count["casts"] += 1
        if name in ("_foreach_copy_", "_foreach_add_") and args[0][0].dtype != args[1][0].dtype:
            self.count["of all weights"] += 1
        return found


def test_weights_are_rounded_and_gradients_widened_and_added():
    torch.manual_seed(0)
    net = nn.Linear(4, 3)
    net.register_buffer("scale", torch.full((3,), 1 / 3))
    working = WorkingCopy(net)
    with torch.no_grad():
        net.weight.add_(1.0)
    working.take_weights()
    assert torch.equal(working.network.weight, net.weight.bfloat16()) and working.network.scale.dtype == torch.float32
    x = torch.randn(2, 4, dtype=torch.bfloat16)
    for times in (1, 2):
        working.network(x).float().sum().backward()
        working.give_gradients()
        assert net.weight.grad.dtype == torch.float32 and working.network.weight.grad is None
        torch.testing.assert_close(net.weight.grad, times * x.float().sum(0).expand(3, 4), rtol=1e-2, atol=1e-2)
    working.give_gradients()
    torch.testing.assert_close(net.bias.grad, torch.full((3,), 4.0))


def stage_one_casts(precision):
    """Casts of one step of stage 1 in a network of three layers: forward, loss, backward."""
    torch.manual_seed(0)
    vae, config = InfoVAE(VAEConfig(5, 8, 3, 2, 16, 0.0)).train(), AlignConfig(latent=8, precision=precision)
    working = WorkingCopy(vae) if precision == "bfloat16_copy" else None
    forward = network(vae if working is None else working.network, config)
    x, noise, reference = torch.randn(8, 6, 5), torch.randn(8, 8), torch.randn(8, 8)
    target = Target(standard(8), standard(8))
    with Casts() as casts:
        if working is not None:
            working.take_weights()
        terms = losses(forward, x, torch.ones(8, 1, 5, dtype=torch.bool), target, noise, reference, config)
        terms["loss"].backward()
        if working is not None:
            working.give_gradients()
    return casts.count


def test_a_step_of_stage_one_casts_its_inputs_and_outputs_alone():
    autocast, own = stage_one_casts("bfloat16"), stage_one_casts("bfloat16_copy")
    # Chunks and noise in; four outputs, and their gradients; all weights once and all gradients once.
    assert own["casts"] <= 10 and own["of all weights"] == 2
    assert autocast["casts"] > 100 and not autocast["of all weights"]
    assert not stage_one_casts("float32")


@pytest.mark.parametrize("options", [{}, {"anchor": "qpos"}, {"network": "unet"}])
@pytest.mark.slow
def test_finetuning_in_bf16_is_that_of_float32_up_to_rounding(make_set, options):
    new = make_set("method", episodes=3, state=False)
    policy = build([new], 8, seed=0, width=8, **{"hidden": 16, **options})
    ran = {
        precision: finetune(policy, new, steps=6, batch=8, accumulate=2, precision=precision, device="cpu")
        for precision in ("float32", "bfloat16_copy")
    }
    ways = {name: _weights(one.policy) - _weights(policy) for name, one in ran.items()}
    assert 0 < (ways["bfloat16_copy"] - ways["float32"]).norm() < 0.2 * ways["float32"].norm()
    assert {weight.dtype for weight in ran["bfloat16_copy"].policy.parameters()} == {torch.float32}


def test_a_stack_of_methods_in_bf16_is_each_alone_up_to_rounding(make_set):
    new = make_set("method", episodes=3, state=False)
    policy, optim = (
        build([new], 8, seed=0, width=8, hidden=16),
        OptimConfig(steps=4, batch=8, precision="bfloat16_copy"),
    )
    methods = {name: GuidedPolicy(policy) for name in "ab"}
    alone, stacked = (finetune_methods(methods, new, optim, stacked=on, device="cpu")["b"] for on in (False, True))
    way = _weights(alone.policy) - _weights(policy)
    assert (_weights(stacked.policy) - _weights(alone.policy)).norm() < 0.2 * way.norm()


def _weights(policy):
    return torch.cat([weight.detach().flatten() for weight in policy.parameters()])
