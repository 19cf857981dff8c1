import math

import pytest
import torch
from torch import nn

from ate.errors import InputError
from ate.steer import Guidance, attach
from tests.steer.loops import B, D, S, draw, energy_gradient, gradients
from tests.steer.strangers import DiffusionPolicy, FlowMatchPolicy, FlowVla

# k of METHOD's table in closed form, from α and σ.
COEFFICIENTS = {"epsilon": lambda a, s: -s, "sample": lambda a, s: s**2 / a, "v_prediction": lambda a, s: -s / a}


@pytest.mark.parametrize("kind", COEFFICIENTS)
def test_a_hook_on_a_diffusers_policy_equals_the_shifted_target(kind, vae, guidance):
    policy = DiffusionPolicy(S, D, kind)
    a0, noise, t = draw()
    with attach(policy, guidance) as guided:
        loss = policy(a0, noise, t)
        loss.backward()
    found = gradients(policy)

    bar = policy.noise_scheduler.alphas_cumprod[t][:, None, None]
    alpha, sigma = bar.sqrt(), (1 - bar).sqrt()
    x = alpha * a0 + sigma * noise
    k = COEFFICIENTS[kind](alpha, sigma)
    target = {"epsilon": noise, "sample": a0, "v_prediction": alpha * noise - sigma * a0}[kind]
    shifted = target - 2.0 * (k * energy_gradient(vae, x, a0)).clamp(-0.05, 0.05)
    policy.zero_grad()
    wanted = nn.functional.mse_loss(policy.model(x, t / 100), shifted)
    wanted.backward()
    assert loss.item() == pytest.approx(wanted.item(), rel=1e-5)
    for mine, theirs in zip(found, gradients(policy), strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-6, rtol=1e-4)
    assert guided.steps == 1
    assert [row["t_low"] for row in guided.rows] == pytest.approx([0.0, 0.3, 0.6, 0.8])


def test_a_hook_on_a_flow_matching_scheduler_equals_the_shifted_target(vae, guidance):
    policy = FlowMatchPolicy(S, D)
    a0, noise, t = draw()
    with attach(policy, guidance):
        loss = policy(a0, noise, t)
    sigma = policy.scheduler.sigmas[t][:, None, None]
    x = (1 - sigma) * a0 + sigma * noise
    shift = 2.0 * (-sigma / (1 - sigma) * energy_gradient(vae, x, a0)).clamp(-0.05, 0.05)
    wanted = nn.functional.mse_loss(policy.transformer(x, policy.scheduler.timesteps[t] / 100) + shift, noise - a0)
    assert loss.item() == pytest.approx(wanted.item(), rel=1e-5)


def test_a_hook_on_a_padded_flow_vla_equals_the_shifted_target_and_leaves_its_random_numbers(vae, guidance):
    policy, width = FlowVla(S, 8), D
    mask = torch.tensor([1] * width + [0] * 3)
    placed = Guidance(vae, "paper", lam=2.0, clamp=0.05, slots=tuple(range(width)), mask=mask)
    a0, noise, _ = draw()
    torch.manual_seed(5)
    drawn = policy.model.sample_noise((B, S, 8), "cpu"), policy.model.sample_time(B, "cpu")
    torch.manual_seed(5)
    with attach(policy, placed):
        loss = policy(a0)
    noise, time = drawn
    t = time[:, None, None]
    x = t * noise + (1 - t) * nn.functional.pad(a0, (0, 3))
    shift = 2.0 * (-t / (1 - t) * energy_gradient(vae, x[..., :width], a0)).clamp(-0.05, 0.05)
    v = policy.model.action_out_proj(policy.model.trunk(x, time))[..., :width]
    wanted = nn.functional.mse_loss(v + shift, (noise - nn.functional.pad(a0, (0, 3)))[..., :width])
    assert loss.item() == pytest.approx(wanted.item(), rel=1e-5)
    with attach(policy, placed):
        given = policy(a0, *drawn)
    assert torch.equal(given, loss)


@pytest.mark.slow
def test_a_flow_vla_is_found_inside_of_low_rank_adapters(vae):
    """peft wraps the policy twice, and passes on whatever is asked of it."""
    peft = pytest.importorskip("peft")
    torch.manual_seed(0)
    policy, (a0, _, _) = FlowVla(S, D), draw()
    wrapped = peft.get_peft_model(policy, peft.LoraConfig(r=2, target_modules=["inner", "action_out_proj"]))
    with attach(wrapped, Guidance(vae, "paper", lam=2.0, clamp=0.05)) as guided:
        torch.manual_seed(5)
        loss = wrapped(a0)
    torch.manual_seed(5)
    plain = wrapped(a0)
    assert guided.steps == 1 and loss.item() != plain.item()
    assert "forward" not in vars(policy.model)
    with attach(policy, Guidance(vae, "paper", lam=2.0, clamp=0.05)):
        torch.manual_seed(5)
        assert policy(a0).item() == pytest.approx(loss.item(), rel=1e-6)


def test_the_auxiliary_loss_reaches_a_stranger_too(vae):
    """d/dθ of the hooked loss is that of mse + λ/N·‖E(â0) − E(a0)‖², for a policy that predicts the sample."""
    policy = DiffusionPolicy(S, D, "sample")
    a0, noise, t = (v * 0.3 if v.is_floating_point() else v for v in draw())
    with attach(policy, Guidance(vae, "paper", lam=0.7, energy_at="x0_hat")):
        policy(a0, noise, t).backward()
    found = gradients(policy)
    policy.zero_grad()
    prediction = policy.model(policy.noise_scheduler.add_noise(a0, noise, t), t / 100)
    assert prediction.abs().max() < 1.5
    apart = (vae.encode(prediction).mean - vae.encode(a0).mean).square().sum()
    ((prediction - a0).square().sum() + 0.7 * apart).div(a0.numel()).backward()
    for mine, theirs in zip(found, gradients(policy), strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-6, rtol=1e-4)


def test_with_lambda_zero_a_step_is_bit_equal(vae):
    policy, (a0, noise, t) = DiffusionPolicy(S, D), draw()
    policy(a0, noise, t).backward()
    plain = gradients(policy)
    policy.zero_grad()
    with attach(policy, Guidance(vae, "paper", lam=0.0)):
        policy(a0, noise, t).backward()
    assert all(torch.equal(one, other) for one, other in zip(plain, gradients(policy), strict=True))


def test_the_hook_rests_in_eval_mode_while_sampling_and_after_the_block(guidance):
    policy, (a0, noise, t) = DiffusionPolicy(S, D), draw()
    bare = policy.sample(noise)
    with attach(policy, guidance) as guided:
        assert torch.equal(policy.sample(noise), bare)
        policy(a0, noise, t)
        assert torch.equal(policy.sample(noise), bare)
        policy.eval()
        assert torch.equal(policy.model(noise, torch.zeros(B)), bare)
        assert guided.steps == 1
    policy.train()
    assert torch.equal(policy.model(noise, torch.zeros(B)), bare)
    assert "add_noise" not in vars(policy.noise_scheduler)


def test_a_checkpointed_network_is_shifted_once(guidance):
    policy, (a0, noise, t) = DiffusionPolicy(S, D), draw()

    def loss(reentrant):
        noisy = policy.noise_scheduler.add_noise(a0, noise, t).requires_grad_(True)
        out = torch.utils.checkpoint.checkpoint(policy.model, noisy, t / 100, use_reentrant=reentrant)
        return (out - noise).square().mean()

    with attach(policy, guidance):
        policy(a0, noise, t).backward()
    plain = gradients(policy)
    for reentrant in (False, True):
        policy.zero_grad()
        with attach(policy, guidance) as guided:
            loss(reentrant).backward()
        assert guided.steps == 1
        for one, other in zip(plain, gradients(policy), strict=True):
            torch.testing.assert_close(one, other, atol=1e-7, rtol=1e-5)


@pytest.mark.parametrize("wrapped", ["policy", "network"])
@pytest.mark.slow
def test_the_hook_survives_torch_compile(wrapped, guidance):
    policy, (a0, noise, t) = DiffusionPolicy(S, D), draw()
    with attach(policy, guidance):
        plain = policy(a0, noise, t)
    if wrapped == "network":
        policy.model = torch.compile(policy.model, backend="aot_eager")
    with attach(policy, guidance) as guided:
        run = torch.compile(policy, backend="aot_eager") if wrapped == "policy" else policy
        for _ in range(3):
            assert run(a0, noise, t).item() == pytest.approx(plain.item(), rel=1e-6)
    assert guided.steps == 3


def test_a_step_in_bf16_is_close_to_one_in_float32(guidance):
    policy, (a0, noise, t) = DiffusionPolicy(S, D), draw()
    with attach(policy, guidance) as guided:
        exact = policy(a0, noise, t)
        with torch.autocast("cpu", torch.bfloat16):
            loss = policy(a0, noise, t)
        policy.to(torch.bfloat16)
        half = policy(a0.bfloat16(), noise.bfloat16(), t)
    assert loss.item() == pytest.approx(exact.item(), rel=1e-2)
    assert half.item() == pytest.approx(exact.item(), rel=3e-2)
    assert half.dtype == torch.bfloat16 and guided.steps == 3


def test_a_seam_that_is_not_there_is_named(vae, guidance):
    with pytest.raises(InputError, match="no noise scheduler"), attach(nn.Linear(2, 2), guidance):
        pass
    policy = DiffusionPolicy(S, D)
    policy.other = nn.Linear(2, 2)
    policy.velocity = policy.model
    del policy.model
    with pytest.raises(InputError, match="pass network="), attach(policy, guidance):
        pass
    with pytest.raises(InputError, match="no guided step"), attach(policy, guidance, network=policy.velocity):
        pass
    twins = nn.ModuleList([FlowVla(S, D), FlowVla(S, D)])
    with pytest.raises(InputError, match="2 flow models: FlowModel, FlowModel"), attach(twins, guidance):
        pass
    policy.model = policy.velocity
    with pytest.raises(InputError, match="no noise level or clean action"), attach(policy, guidance):
        policy.model(torch.zeros(B, S, D), torch.zeros(B))
    with pytest.raises(InputError, match="a Guidance only"), attach(policy, guidance, lam=1.0):
        pass


def test_an_error_in_the_users_loop_is_not_covered_up(guidance):
    with pytest.raises(ZeroDivisionError), attach(DiffusionPolicy(S, D), guidance):
        raise ZeroDivisionError


def test_the_meter_reads_what_the_hook_does(vae):
    policy, (a0, noise, t) = DiffusionPolicy(S, D, "sample"), draw()
    for lam, word in ((1e-9, "inactive"), (1.0, "acting")):
        with attach(policy, Guidance(vae, "paper", lam=lam, clamp=math.inf)) as guided:
            policy(a0, noise, t)
        assert guided.verdict == word
