import math
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from diffusers import DDPMScheduler
from torch import nn

from ate.align.encoder import IdentityEncoder
from ate.align.vae import InfoVAE, VAEConfig
from ate.errors import InputError
from ate.policies import build
from ate.steer import Guidance, attach
from ate.steer.units import check_fit
from tests.steer.lines import line_alignment, line_robots
from tests.steer.strangers import DiffusionPolicy, FlowMatchPolicy, FlowVla

S, D, B = 6, 5, 4
# k of METHOD's table in closed form, from α and σ.
COEFFICIENTS = {"epsilon": lambda a, s: -s, "sample": lambda a, s: s**2 / a, "v_prediction": lambda a, s: -s / a}


@pytest.fixture
def vae():
    torch.manual_seed(0)
    return InfoVAE(VAEConfig(features=D, latent=8, layers=3, heads=2, feedforward=16, dropout=0.1))


@pytest.fixture
def guidance(vae):
    return Guidance(vae, lam=2.0, clamp=0.05)


def draw(width=D):
    generator = torch.Generator().manual_seed(1)
    a0, noise = (torch.randn(B, S, width, generator=generator) for _ in range(2))
    return a0, noise, torch.tensor([3, 40, 70, 90])


def energy_gradient(vae, x, a0):
    x = x.clone().requires_grad_(True)
    distance = (vae.encode(x).mean - vae.encode(a0).mean.detach()).square().sum()
    return -torch.autograd.grad(distance, x)[0]


def gradients(policy):
    return [parameter.grad.clone() for parameter in policy.parameters()]


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
    placed = Guidance(vae, lam=2.0, clamp=0.05, slots=tuple(range(width)), mask=mask)
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


def test_a_flow_vla_is_found_inside_of_low_rank_adapters(vae):
    """peft wraps the policy twice, and passes on whatever is asked of it."""
    peft = pytest.importorskip("peft")
    torch.manual_seed(0)
    policy, (a0, _, _) = FlowVla(S, D), draw()
    wrapped = peft.get_peft_model(policy, peft.LoraConfig(r=2, target_modules=["inner", "action_out_proj"]))
    with attach(wrapped, Guidance(vae, lam=2.0, clamp=0.05)) as guided:
        torch.manual_seed(5)
        loss = wrapped(a0)
    torch.manual_seed(5)
    plain = wrapped(a0)
    assert guided.steps == 1 and loss.item() != plain.item()
    assert "forward" not in vars(policy.model)
    with attach(policy, Guidance(vae, lam=2.0, clamp=0.05)):
        torch.manual_seed(5)
        assert policy(a0).item() == pytest.approx(loss.item(), rel=1e-6)


def test_the_auxiliary_loss_reaches_a_stranger_too(vae):
    """d/dθ of the hooked loss is that of mse + λ/N·‖E(â0) − E(a0)‖², for a policy that predicts the sample."""
    policy = DiffusionPolicy(S, D, "sample")
    a0, noise, t = (v * 0.3 if v.is_floating_point() else v for v in draw())
    with attach(policy, Guidance(vae, lam=0.7, at="estimate")):
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
    with attach(policy, Guidance(vae, lam=0.0)):
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


@pytest.fixture(scope="module")
def robots(tmp_path_factory):
    return line_robots(tmp_path_factory.mktemp("robots"))


@pytest.fixture(scope="module")
def alignment(robots):
    return line_alignment(robots, S)


def clean(alignment, robots, size=B):
    """Chunks of the new robot in the alignment's units, and raw."""
    raw = torch.from_numpy(robots[1].series(0)[: size * S].copy()).view(size, S, 5)
    return alignment.space.compact.encode(raw), raw


def test_an_alignment_reaches_other_columns_and_statistics(alignment, robots):
    """Shuffled, padded, differently normalised columns get the shift of the alignment's own, in their units."""
    a0, raw = clean(alignment, robots)
    noise, t = torch.randn(a0.shape, generator=torch.Generator().manual_seed(3)), torch.tensor([5, 30, 60, 80])
    own = DiffusionPolicy(S, 5, "sample")
    with attach(own, alignment, lam=1.0) as guided:
        own(a0, noise, t)
        plain = guided._shift

    order, names = [4, 2, 0, 1, 3], alignment.space.embodiment.joint_names
    center, spread = torch.tensor([0.1, -0.2, 0.3, 0.0, 0.5]), torch.tensor([0.5, 2.0, 1.0, 0.7, 3.0])
    theirs = nn.functional.pad((raw[..., order] - center) / spread, (0, 3))
    half = torch.from_numpy(alignment.space.normalizer.half_range)
    # The same noise in joint units: policy units times spread are encoder units times half range.
    their_noise = nn.functional.pad(noise[..., order] * half[order] / spread, (0, 3))
    policy = DiffusionPolicy(S, 8, "sample")
    joints = [names[i] for i in order]
    with attach(policy, alignment, lam=1.0, joints=joints, statistics=(center, spread)) as guided:
        policy(theirs, their_noise, t)
        found = guided._shift
    scale = spread / half[order]
    torch.testing.assert_close(found[..., :5], plain[..., order] * scale, atol=1e-5, rtol=1e-3)
    assert torch.equal(found[..., 5:], torch.zeros(B, S, 3))


def test_what_does_not_fit_the_alignment_is_refused(alignment, robots):
    a0, raw = clean(alignment, robots)
    t = torch.tensor([5, 30, 60, 80])

    def step(policy, values, **options):
        with attach(policy, alignment, lam=1.0, **options):
            policy(values, torch.randn_like(values), t)

    with pytest.raises(InputError, match=r"S = 6, the chunk length"):
        step(DiffusionPolicy(4, 5), a0[:, :4])
    with pytest.raises(InputError, match="pass joints="):
        step(DiffusionPolicy(S, 8), nn.functional.pad(a0, (0, 3)))
    with pytest.raises(InputError, match="every joint of the alignment, 'joint3'"):
        step(DiffusionPolicy(S, 5), a0, joints=["joint1", "joint2", "elbow", "joint4", "gripper"])
    with pytest.raises(InputError, match=r"which come back with an error .* statistics="):
        step(DiffusionPolicy(S, 5), raw * 57.3)


def test_an_alignment_that_was_trained_little_is_not_taken_for_wrong_units(alignment, robots):
    """What it leaves on its own data is the measure: actions it misses by half are its own where it left a third."""
    a0, _ = clean(alignment, robots)
    half_off = a0 + 0.6 * torch.sign(torch.randn(a0.shape, generator=torch.Generator().manual_seed(0)))
    with pytest.raises(InputError, match="come back with an error"):
        check_fit(alignment, half_off, "actions")
    assert alignment.metrics["adapt"][-1]["reconstruction"] < 0.1
    little = replace(alignment, metrics={**alignment.metrics, "adapt": [{"step": 1.0, "reconstruction": 0.1}]})
    check_fit(little, half_off, "actions")
    with pytest.raises(InputError, match="come back with an error"):
        check_fit(little, 57.3 * a0, "actions")


def test_our_own_policy_in_a_loop_of_the_users(alignment, robots):
    policy = build(robots, S, 0, alignment.space.width, parameterization="flow_noise_at_1", hidden=16)
    policy = policy.moved_to(alignment.space)
    a0 = alignment.space.encode(clean(alignment, robots)[1])
    noise, t = torch.randn(a0.shape), torch.full((B,), 0.5)
    observation = torch.zeros(B, 2 * alignment.space.width)
    with attach(policy, alignment, lam=2.0, clamp=0.1) as guided:
        x = policy.path.noised(a0, noise, t)
        prediction = policy(x, t, observation)
    bare = policy(x, t, observation)
    own = Guidance.of(alignment, 2.0, 0.1).shift(x, a0, torch.full((B,), -1.0))
    torch.testing.assert_close(prediction - bare, own, atol=1e-6, rtol=1e-5)
    assert guided.steps == 1 and guided.seam.kind == "ours"


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
    with pytest.raises(InputError, match="says all of it itself"), attach(policy, guidance, lam=1.0):
        pass


def test_an_error_in_the_users_loop_is_not_covered_up(guidance):
    with pytest.raises(ZeroDivisionError), attach(DiffusionPolicy(S, D), guidance):
        raise ZeroDivisionError


def test_the_meter_reads_what_the_hook_does(vae):
    policy, (a0, noise, t) = DiffusionPolicy(S, D, "sample"), draw()
    for lam, word in ((1e-9, "inactive"), (1.0, "acting")):
        with attach(policy, Guidance(vae, lam=lam, clamp=math.inf)) as guided:
            policy(a0, noise, t)
        assert guided.verdict == word


class Affine(nn.Module):
    """Predicts w·x + b for every element."""

    def __init__(self):
        super().__init__()
        self.model = nn.Linear(1, 1, dtype=torch.float64)
        self.noise_scheduler = DDPMScheduler(100, beta_schedule="squaredcos_cap_v2", prediction_type="sample")

    def forward(self, a0, noise, t):
        return nn.functional.mse_loss(self.model(self.noise_scheduler.add_noise(a0, noise, t)), a0)


def test_a_gaussian_policy_under_a_quadratic_energy_lands_on_its_analytic_optimum():
    """Data N(m, v), energy ‖x − a0‖²: the minimiser is E[a0|x] + 2λk·(x − E[a0|x]), linear in x."""
    mean, variance, lam, level = 0.4, 0.3, 0.2, 45
    generator = torch.Generator().manual_seed(0)
    a0, noise = (torch.randn(1, 40_000, 1, generator=generator, dtype=torch.float64) for _ in range(2))
    a0 = mean + math.sqrt(variance) * (a0 - a0.mean()) / a0.std(correction=0)
    policy = Affine()
    optimizer = torch.optim.LBFGS(policy.parameters(), max_iter=50, line_search_fn="strong_wolfe")

    def closure():
        optimizer.zero_grad()
        loss = policy(a0, noise, torch.tensor([level]))
        loss.backward()
        return loss

    with attach(policy, Guidance(IdentityEncoder(1, 40_000), lam=lam)):
        optimizer.step(closure)
    bar = float(policy.noise_scheduler.alphas_cumprod[level])
    alpha, sigma = math.sqrt(bar), math.sqrt(1 - bar)
    gain = alpha * variance / (alpha**2 * variance + sigma**2)
    k = sigma**2 / alpha
    slope = gain + 2 * lam * k * (1 - gain)
    start = (mean - gain * alpha * mean) * (1 - 2 * lam * k)
    # Sampling error of the regression on 40,000 points is below 1 %.
    assert policy.model.weight.item() == pytest.approx(slope, abs=0.01)
    assert policy.model.bias.item() == pytest.approx(start, abs=0.01)


RANK = """
import sys, torch, torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel
from ate.align.vae import InfoVAE, VAEConfig
from ate.steer import Guidance, attach
from tests.steer.strangers import DiffusionPolicy

dist.init_process_group("gloo")
rank = dist.get_rank()
torch.manual_seed(0)
vae = InfoVAE(VAEConfig(features=5, latent=8, layers=3, heads=2, feedforward=16))
policy = DiffusionPolicy(6, 5)
data = torch.load(sys.argv[1], weights_only=True)
policy.load_state_dict(data["policy"])
a0, noise, t = (part.chunk(2)[rank] for part in data["batch"])
wrapped = DistributedDataParallel(policy)
with attach(wrapped, Guidance(vae, lam=2.0, clamp=0.05)) as guided:
    wrapped(a0, noise, t).backward()
assert guided.steps == 1
if rank == 0:
    torch.save([p.grad for p in policy.parameters()], sys.argv[2])
dist.barrier()
del wrapped
dist.destroy_process_group()
"""


def test_two_ddp_processes_take_the_gradient_of_one(tmp_path, guidance):
    policy, batch = DiffusionPolicy(S, D), draw()
    with attach(policy, guidance):
        policy(*batch).backward()
    torch.save({"policy": policy.state_dict(), "batch": batch}, tmp_path / "in.pt")
    (tmp_path / "rank.py").write_text(RANK)
    root = str(Path(__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "rank.py", "in.pt",
         "out.pt"],
        cwd=tmp_path, capture_output=True, text=True, timeout=120,
        env={**os.environ, "PYTHONPATH": root, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for mine, theirs in zip(gradients(policy), torch.load(tmp_path / "out.pt", weights_only=True), strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-6, rtol=1e-4)
