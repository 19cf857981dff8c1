import math

import numpy as np
import pytest
import torch

import ate
from ate.errors import InputError
from ate.policies.noise import PARAMETERIZATIONS, NoisePath, guidance_coefficient, squared_cosine, target_coefficients
from tests.conftest import GOLDEN

CLOSED_FORMS = {
    "epsilon": lambda a, s: -s,
    "sample": lambda a, s: s**2 / a,
    "v": lambda a, s: -s / a,
}


@pytest.mark.parametrize("alpha_bar", [0.999, 0.5, 0.01])
@pytest.mark.parametrize("name", CLOSED_FORMS)
def test_coefficient_of_diffusion_equals_its_closed_form(name, alpha_bar):
    a, s = math.sqrt(alpha_bar), math.sqrt(1 - alpha_bar)
    got = guidance_coefficient(name, torch.tensor(a, dtype=torch.float64), torch.tensor(s, dtype=torch.float64))
    assert float(got) == pytest.approx(CLOSED_FORMS[name](a, s), rel=1e-12)


@pytest.mark.parametrize("t", [0.1, 0.5, 0.9])
def test_coefficient_of_flows_equals_its_closed_form(t):
    alpha, sigma = torch.tensor(1 - t, dtype=torch.float64), torch.tensor(t, dtype=torch.float64)
    assert float(guidance_coefficient("flow_noise_at_1", alpha, sigma)) == pytest.approx(-t / (1 - t), rel=1e-12)
    tau = 1 - t
    assert float(guidance_coefficient("flow_data_at_1", alpha, sigma)) == pytest.approx((1 - tau) / tau, rel=1e-12)


@pytest.mark.parametrize("name", PARAMETERIZATIONS)
def test_coefficient_is_the_shift_of_the_prediction_under_a_shifted_score(name):
    """Independent derivation: shift the score of a noised Gaussian, compare the optimal predictions."""
    alpha, sigma, mean, variance, lam_g, x = 0.6, 0.7, 0.3, 0.25, 0.11, 0.9
    if name.startswith("flow"):
        alpha, sigma = 0.35, 0.65
    levels = torch.tensor([alpha, sigma], dtype=torch.float64)
    p, q = (float(v) for v in target_coefficients(name, *levels))

    def prediction(score):
        noise = -sigma * score  # Tweedie: E[ε|x] = −σ·score
        clean = (x - sigma * noise) / alpha
        return p * clean + q * noise

    score = -(x - alpha * mean) / (alpha**2 * variance + sigma**2)
    shifted = prediction(score + lam_g) - prediction(score)
    k = float(guidance_coefficient(name, *levels))
    assert k * lam_g == pytest.approx(shifted, rel=1e-9)


def test_coefficient_stays_finite_where_alpha_vanishes():
    for name in PARAMETERIZATIONS:
        assert torch.isfinite(guidance_coefficient(name, torch.tensor(0.0), torch.tensor(1.0)))


def test_unknown_parameterisation_names_the_nearest():
    with pytest.raises(InputError) as caught:
        guidance_coefficient("epsilonn", 0.5, 0.5)
    assert caught.value.where == "parameterization" and "'epsilon'" in caught.value.fix


def test_the_coefficient_is_callable_where_guidance_is():
    assert ate.steer.guidance_coefficient is guidance_coefficient


def test_schedule_equals_the_golden_one():
    golden = np.load(GOLDEN / "ddpm_squaredcos_alphabar.npz")
    for steps in (10, 100, 1000):
        key = next(k for k in golden.files if golden[k].shape == (steps,) and "alpha" in k.lower())
        np.testing.assert_allclose(squared_cosine(steps).numpy(), golden[key], rtol=2e-5)


@pytest.mark.parametrize("name", PARAMETERIZATIONS)
def test_split_undoes_noising_and_target(name):
    path = NoisePath(name, 100)
    generator = torch.Generator().manual_seed(0)
    a0, noise = (torch.randn(6, 4, 3, generator=generator) for _ in range(2))
    t = path.time(torch.linspace(0.05, 0.9, 6))
    clean, back = path.split(path.noised(a0, noise, t), path.target(a0, noise, t), t)
    torch.testing.assert_close(clean, a0, atol=2e-4, rtol=2e-4)
    torch.testing.assert_close(back, noise, atol=2e-4, rtol=2e-4)


def test_time_zero_is_data_and_one_is_noise():
    for name in ("sample", "flow_noise_at_1"):
        path = NoisePath(name)
        alpha, sigma = path.alpha_sigma(torch.tensor([0.0, 1.0]))
        assert alpha[0] == 1 and sigma[0] == 0 and alpha[1] < 1e-2 and sigma[1] > 0.999
