import json
import math

import numpy as np
import pytest
import torch

from ate.align.released.weights import from_released
from ate.align.vae import InfoVAE
from ate.align.vae_config import VAEConfig
from ate.errors import InputError
from ate.policies.noise import PARAMETERIZATIONS, NoisePath, estimate_coefficient, guidance_coefficient
from ate.steer import Guidance, GuidanceMeter, meter_verdict
from ate.steer.encoder import IdentityEncoder
from tests.conftest import GOLDEN


@pytest.fixture
def vae():
    torch.manual_seed(0)
    return InfoVAE(VAEConfig(features=5, latent=8, layers=3, heads=2, feedforward=16, dropout=0.1))


def batch(size=4, steps=6, width=5, dtype=torch.float32):
    generator = torch.Generator().manual_seed(1)
    return (torch.randn(size, steps, width, generator=generator, dtype=dtype) for _ in range(2))


def test_gradient_equals_finite_differences(vae):
    vae = vae.double()
    guidance = Guidance(vae, "paper", lam=1.0)
    x, a0 = batch(2, 4, dtype=torch.float64)
    g = guidance.gradient(x, a0)

    def energy(values):
        return (guidance.latents(values) - guidance.latents(a0)).square().sum().item()

    for index in [(0, 0, 0), (0, 3, 4), (1, 2, 1), (1, 0, 3)]:
        step = torch.zeros_like(x)
        step[index] = 1e-5
        slope = (energy(x + step) - energy(x - step)) / 2e-5
        assert g[index].item() == pytest.approx(-slope, rel=1e-5, abs=1e-9)


def test_guidance_descends_towards_the_clean_chunk(vae):
    guidance = Guidance(vae, "paper", lam=1.0)
    x, a0 = batch()
    before = (guidance.latents(x) - guidance.latents(a0)).square().sum()
    moved = x + 1e-3 * guidance.gradient(x, a0)
    assert (guidance.latents(moved) - guidance.latents(a0)).square().sum() < before


def test_a_batch_equals_its_samples_one_by_one(vae):
    # float64, because float32 kernels round differently for different batch sizes.
    guidance = Guidance(vae.double(), "paper", lam=2.0, clamp=0.05)
    x, a0 = batch(6, dtype=torch.float64)
    k = torch.linspace(-1, 3, 6, dtype=torch.float64)
    together = guidance.shift(x, a0, k)
    single = torch.cat([guidance.shift(x[i : i + 1], a0[i : i + 1], k[i : i + 1]) for i in range(6)])
    torch.testing.assert_close(together, single, atol=1e-12, rtol=1e-10)
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    torch.testing.assert_close(guidance.shift(x[order], a0[order], k[order]), together[order], atol=1e-12, rtol=1e-10)


def test_released_energy_depends_on_the_batch_size_and_says_so(vae):
    x, a0 = batch(4)
    released, paper = Guidance(vae, "paper", lam=1.0, reduction="mean"), Guidance(vae, "paper", lam=1.0)
    torch.testing.assert_close(released.gradient(x, a0) * 4 * 8, paper.gradient(x, a0), atol=1e-6, rtol=1e-4)


def test_masked_slots_get_exactly_zero(vae):
    x, a0 = batch()
    shift = Guidance(vae, "paper", lam=3.0, mask=np.array([1, 0, 1, 1, 0], bool)).shift(x, a0, 1.0)
    assert torch.equal(shift[..., [1, 4]], torch.zeros_like(shift[..., [1, 4]]))
    assert shift[..., [0, 2, 3]].abs().min() > 0


def test_clamp_bounds_k_g_before_lambda(vae):
    x, a0 = batch()
    free = Guidance(vae, "paper", lam=1.0).shift(x, a0, 50.0)
    clamped = Guidance(vae, "paper", lam=3.0, clamp=0.1).shift(x, a0, 50.0)
    torch.testing.assert_close(clamped, 3.0 * free.clamp(-0.1, 0.1))
    assert torch.equal(Guidance(vae, "paper", lam=3.0, clamp=0.1, sign=-1).shift(x, a0, 50.0), -clamped)
    assert float(clamped.abs().max()) == pytest.approx(0.3)


def test_a_clamp_by_norm_keeps_the_direction_and_bounds_the_rms(vae):
    x, a0 = batch()
    mask = np.array([1, 0, 1, 1, 0], bool)
    k = torch.tensor([0.01, 1.0, 30.0, 200.0])
    free = Guidance(vae, "paper", lam=1.0, mask=mask).shift(x, a0, k)
    rms = free[..., mask].square().mean((1, 2)).sqrt()
    clamp = float(rms.sort().values[1:3].mean())  # between the second and the third
    bounded = Guidance(vae, "paper", lam=1.0, clamp=clamp, clip="norm", mask=mask).shift(x, a0, k)
    order = rms.argsort()
    assert torch.equal(bounded[order[:2]], free[order[:2]])
    for i in order[2:]:
        torch.testing.assert_close(bounded[i] / bounded[i].norm(), free[i] / free[i].norm())
        assert bounded[i][..., mask].square().mean().sqrt().item() == pytest.approx(clamp, rel=1e-5)
    decided = Guidance(vae, "paper", clamp=clamp, clip="norm", mask=mask).clamped(free)
    assert decided.all((1, 2))[order].tolist() == [False, False, True, True]


def test_a_schedule_scales_the_clamped_shift_by_alpha(vae):
    x, a0 = batch()
    alpha = torch.tensor([1.0, 0.8, 0.3, 0.0])
    plain = Guidance(vae, "paper", lam=2.0, clamp=0.1).shift(x, a0, 5.0)
    for schedule, power in (("alpha", 1), ("alpha_squared", 2)):
        scheduled = Guidance(vae, "paper", lam=2.0, clamp=0.1, schedule=schedule).shift(x, a0, 5.0, alpha=alpha)
        torch.testing.assert_close(scheduled, plain * alpha[:, None, None] ** power)
    with pytest.raises(InputError, match="no alpha"):
        Guidance(vae, "paper", lam=2.0, schedule="alpha").shift(x, a0, 5.0)


def test_the_identity_encoder_pulls_straight_to_the_clean_chunk():
    x, a0 = batch()
    torch.testing.assert_close(Guidance(IdentityEncoder(5, 6), "paper").gradient(x, a0), -2 * (x - a0))


@pytest.mark.parametrize("name", PARAMETERIZATIONS)
def test_an_energy_at_the_estimate_is_a_latent_auxiliary_loss(vae, name):
    """‖f + λ·k·g(â0) − target‖² with a constant shift has the gradient of ‖f − target‖² + λ·‖E(â0) − E(a0)‖² in f."""
    path, lam = NoisePath(name), 0.7
    vae = vae.double()
    guidance = Guidance(vae, "paper", lam=lam, energy_at="x0_hat")
    noise, a0 = batch(dtype=torch.float64)
    t = torch.tensor([0.05, 0.3, 0.6, 0.9], dtype=torch.float64)
    x, target = path.noised(a0, noise, t), path.target(a0, noise, t)
    prediction = (target + 0.1 * torch.ones_like(target)).requires_grad_(True)
    estimate = path.split(x, prediction, t)[0]
    energy = (guidance.latents(estimate) - guidance.latents(a0)).square().sum()
    (wanted,) = torch.autograd.grad((prediction - target).square().sum() + lam * energy, prediction)
    k = estimate_coefficient(name, *path.alpha_sigma(t))
    shift = guidance.shift(estimate.detach(), a0, k)
    (found,) = torch.autograd.grad((prediction + shift - target).square().sum(), prediction)
    torch.testing.assert_close(found, wanted, rtol=1e-6, atol=1e-6)


def test_encoder_is_frozen_and_in_eval_mode(vae):
    vae.train()
    guidance = Guidance(vae, "paper", lam=1.0)
    x, a0 = batch()
    x.requires_grad_(True)
    with torch.no_grad():  # guidance works inside a no_grad block and leaves no graph
        shift = guidance.shift(x, a0, 1.0)
    assert not shift.requires_grad and x.grad is None
    assert not vae.training and all(p.grad is None and not p.requires_grad for p in vae.parameters())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"lam": -1.0}, "λ ≥ 0"),
        ({"lam": math.nan}, "a number"),
        ({"clamp": 0.0}, "c > 0"),
        ({"reduction": "summed"}, "did you mean 'sum'"),
        ({"latent": "means"}, "did you mean 'mean'"),
        ({"mask": np.ones(4)}, "4 entries"),
        ({"sign": 2}, "valid names are -1, 1"),
        ({"energy_at": "x_0"}, "did you mean 'x_t'"),
        ({"clip": "norms"}, "did you mean 'norm'"),
        ({"schedule": "alphas"}, "did you mean 'alpha'"),
    ],
)
def test_bad_options_are_refused(vae, options, words):
    with pytest.raises(InputError, match=words):
        Guidance(vae, "paper", **options)


def test_wrong_width_is_refused(vae):
    with pytest.raises(InputError, match=r"\(B, S, 5\)"):
        Guidance(vae, "paper", lam=1.0).shift(torch.zeros(2, 6, 4), torch.zeros(2, 6, 4), 1.0)


def golden_cases():
    info = json.loads((GOLDEN / "guidance_rdt.json").read_text())
    inputs, outputs = np.load(GOLDEN / "guidance_rdt_inputs.npz"), np.load(GOLDEN / "guidance_rdt_outputs.npz")
    config = info["config"]["vae"]
    state = {k: torch.from_numpy(v) for k, v in np.load(GOLDEN / "guidance_rdt_vae_state.npz").items()}
    vae = from_released(state, heads=config["num_heads"])
    return info, inputs, outputs, vae


@pytest.mark.slow
def test_released_guidance_equals_the_golden_numbers():
    """Raw, masked, scaled and clamped gradient and loss for every stored λ, clamp, batch and mask."""
    info, inputs, outputs, vae = golden_cases()
    slots = torch.zeros(128)
    slots[info["config"]["mask"]] = 1
    arrays = 0
    for name, case in info["cases"].items():
        mask, lam, clamp, size = slots, 3.0, 0.1, 4
        if name == "fullmask_as_released":
            mask = None
        else:
            head, lam, clamp, size = name.split("_")
            lam, clamp, size = float(lam[3:]), float(clamp[5:]), int(size[1:])
            mask = slots if head == "mask" else None
        get = {key: torch.from_numpy(inputs[key]) for key in inputs.files}
        a0, x, prediction = (get[key].repeat(size // 4, 1, 1) for key in ("a0", "a_t", "pred_sample"))
        noise = get["eps_latent"].repeat(1, size // 4, 1)
        alpha_bar = get["alpha_bar"].repeat(size // 4)
        k = guidance_coefficient("sample", alpha_bar.sqrt(), (1 - alpha_bar).sqrt())[:, None, None]
        guidance = Guidance(vae, "paper", lam=lam, clamp=clamp, reduction="mean", latent="sample", mask=mask)
        g = guidance.gradient(x, a0, noise=noise)
        shift = guidance.shift(x, a0, k, noise=noise)
        loss = (prediction + shift - a0).square().mean()
        if name != "fullmask_as_released":
            assert float(loss) == pytest.approx(case["loss"], rel=1e-5), name
            assert float(g.norm()) == pytest.approx(case["masked_grad_l2"], rel=1e-5), name
            assert float((k * g).abs().max()) == pytest.approx(case["scaled_absmax"], rel=1e-5), name
            assert float(((k * g).abs() > clamp).float().mean()) == pytest.approx(case["clamped_frac"]), name
        found = {"masked_grad": g, "scaled_grad": k * g, "clamped_grad": (k * g).clamp(-clamp, clamp)}
        for part, values in found.items():
            if f"{name}/{part}" in outputs.files:
                stored = torch.from_numpy(outputs[f"{name}/{part}"])
                torch.testing.assert_close(values, stored, atol=1e-5 * float(stored.abs().max()), rtol=0)
                arrays += 1
    assert arrays >= 10


def test_meter_measures_planted_shifts():
    meter = GuidanceMeter()
    t = torch.tensor([0.05, 0.95])
    residual = torch.ones(2, 3, 4)
    shift = torch.stack([torch.full((3, 4), 0.5), torch.full((3, 4), -20.0)])
    clamped = torch.stack([torch.zeros(3, 4), torch.ones(3, 4)]).bool()
    meter.add(t, shift, residual, clamped, torch.ones(2, 1, 4))
    low, high = meter.rows()
    assert (low["ratio"], low["clamped"], low["cosine"]) == (0.5, 0.0, 1.0)
    assert (high["ratio"], high["clamped"], high["cosine"]) == (20.0, 1.0, -1.0)
    assert meter_verdict([low]) == "acting" and meter_verdict([high]) == "clamp-dominated"
    assert meter_verdict([{**low, "ratio": 1e-4}]) == "inactive"
