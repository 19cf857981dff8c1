"""KL and MMD against closed forms, the release, and the failures they have to see."""

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from ate.align.divergences import kl, mmd
from ate.errors import InputError

from .conftest import close


def test_kl_is_the_closed_form_per_dimension():
    q_mean, p_mean = torch.randn(5, 7), torch.randn(7)
    q_std, p_std = torch.rand(5, 7) + 0.1, torch.rand(7) + 0.1
    expected = kl_divergence(Normal(q_mean, q_std), Normal(p_mean, p_std))
    torch.testing.assert_close(kl(q_mean, q_std, p_mean, p_std), expected)
    assert kl(q_mean, q_std, q_mean, q_std).abs().max() < 1e-6


def test_both_kl_directions_as_released(golden):
    case = golden("mldloss")
    q, p = (case["mu"][0], case["std"][0]), (case["ref_mu"], case["ref_std"])
    standard = (torch.zeros(32), torch.ones(32))
    close(kl(*q, *p).mean(), case["qphi_rev0_loss2"])
    close(kl(*p, *q).mean(), case["qphi_rev1_loss2"])
    close(kl(*q, *standard).mean(), case["N01_rev0_loss2"])
    close(kl(*standard, *q).mean(), case["N01_rev1_loss2"])


def test_released_mmd(golden):
    case = golden("mldloss")
    # The kernel is almost constant there: the value is a difference of numbers near 1, so 1e-5 of *that* scale.
    assert abs(float(mmd(case["z"][0], case["prior_z"], "released") - case["N01_rev0_mmd"])) < 1e-6


@pytest.mark.parametrize("latent", [2, 32, 512])
def test_multiscale_mmd_sees_collapse_shift_and_scale(latent):
    generator = torch.Generator().manual_seed(0)

    def normal():
        return torch.randn(64, latent, generator=generator)

    perfect = torch.stack([mmd(normal(), normal()) for _ in range(50)])
    assert abs(float(perfect.mean())) < 3 * float(perfect.std()) / 50**0.5
    limit = perfect.mean() + 6 * perfect.std()
    assert mmd(torch.zeros(64, latent), normal()) > limit
    assert mmd(normal() + 1.0, normal()) > limit
    assert mmd(normal() * 3.0, normal()) > limit
    assert mmd(normal() * 0.3, normal()) > limit


def test_released_mmd_cannot_see_collapse():
    generator = torch.Generator().manual_seed(0)
    perfect, collapsed = [], []
    for _ in range(20):
        x, y = (torch.randn(64, 512, generator=generator) for _ in range(2))
        perfect.append(mmd(x, y, "released"))
        collapsed.append(mmd(torch.zeros(64, 512), y, "released"))
    assert torch.stack(collapsed).mean() < torch.stack(perfect).mean()


def test_mmd_is_unbiased_and_scale_free():
    x, y = torch.tensor([[0.0], [1.0]]), torch.tensor([[0.0], [2.0]])

    def k(squared):
        widths = [2.0 * o for o in (0.0625, 0.125, 0.25, 0.5, 1.0, 2.0)]
        return sum(c / (c + squared) for c in widths) / len(widths)

    expected = k(1.0) + k(4.0) - 2 * (k(0.0) + k(4.0) + k(1.0) + k(1.0)) / 4
    assert float(mmd(x, y)) == pytest.approx(expected, abs=1e-6)
    assert float(mmd(5 * x, 5 * y, scale=5.0)) == pytest.approx(expected, abs=1e-6)


def test_mmd_gradient_pulls_collapsed_latents_apart():
    z = (0.01 * torch.randn(64, 32)).requires_grad_()
    mmd(z, torch.randn(64, 32)).backward()
    assert ((z - 10 * z.grad).detach()).std() > z.detach().std()


def test_mmd_refuses_single_points_and_unknown_kernels():
    with pytest.raises(InputError, match="2 or more"):
        mmd(torch.zeros(1, 4), torch.zeros(8, 4))
    with pytest.raises(InputError, match="multiscale"):
        mmd(torch.zeros(8, 4), torch.zeros(8, 4), "multiscal")
