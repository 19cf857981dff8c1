"""Moments of the aggregated posterior, against brute force and the release."""

import pytest
import torch

from ate.align.priors import aggregated, posteriors, released, released_noise_levels
from ate.align.released.weights import from_released
from ate.align.vae import Posterior
from ate.data.chunks import Chunks
from ate.errors import InputError

from .conftest import close


@pytest.fixture(scope="module")
def case(golden):
    return golden("mustd")


@pytest.fixture(scope="module")
def vae(golden):
    return from_released(golden("mustd_trained300_model_state"), dropout=0.1)


def as_chunks(x):
    count, length, width = x.shape
    zeros = torch.zeros(count, dtype=torch.int64)
    return Chunks(
        rows=x.reshape(-1, width),
        starts=torch.arange(count) * length,
        episode=zeros,
        offset=zeros,
        group=zeros,
        mask=torch.ones(1, width, dtype=torch.bool),
        length=length,
    )


@pytest.mark.parametrize("batch", [8, 7, 1000])
def test_moments_of_a_network_as_released(case, vae, batch):
    chunks = as_chunks(torch.cat([case["val"], case["train"]]))
    exact, theirs = (moments(posteriors(vae, chunks, batch)) for moments in (aggregated, released))
    close(exact.mean, case["trained300_true_agg_mean"])
    close(exact.std, case["trained300_true_agg_std"])
    close(theirs.mean, case["trained300_nonoise_mu"])
    close(theirs.std, case["trained300_nonoise_std"])
    assert not vae.training


def test_noised_moments_as_released(case, vae):
    x = torch.cat([case["val"], case["train"]]).view(8, 8, 16, 14)
    keep = released_noise_levels()[case["trained300_timesteps"]][..., None, None]
    with torch.no_grad():
        stream = [vae.encode(b) for b in keep.sqrt() * x + (1 - keep).sqrt() * case["trained300_noise"]]
    theirs = released(stream)
    close(theirs.mean, case["trained300_returned_mu"])
    close(theirs.std, case["trained300_returned_std"])


def test_noise_levels_are_the_schedules():
    # The values of diffusers' squaredcos_cap_v2 schedule with ten steps.
    expected = torch.tensor([0.9720927476882935, 0.8987059593200684, 0.7869105339050293])
    torch.testing.assert_close(released_noise_levels(), expected)


def test_aggregated_moments_by_sampling():
    generator = torch.Generator().manual_seed(0)
    mean = 3.0 + 2.0 * torch.randn(1000, 4, generator=generator)
    std = 0.5 + torch.rand(1000, 4, generator=generator)
    found = aggregated(Posterior(m, s) for m, s in zip(mean.split(64), std.split(64), strict=True))
    samples = mean + std * torch.randn(400, 1000, 4, generator=generator)
    torch.testing.assert_close(found.mean, samples.mean((0, 1)), rtol=5e-3, atol=5e-3)
    torch.testing.assert_close(found.std, samples.flatten(0, 1).std(0), rtol=5e-3, atol=5e-3)


def test_moments_far_from_zero_keep_their_digits():
    mean = 1e3 + torch.randn(512, 3, generator=torch.Generator().manual_seed(0))
    std = torch.full((512, 3), 1e-3)
    found = aggregated([Posterior(mean[:100], std[:100]), Posterior(mean[100:], std[100:])])
    torch.testing.assert_close(found.std, (mean.double().var(0, correction=0) + 1e-6).sqrt().float())


def test_nothing_to_take_moments_of():
    with pytest.raises(InputError, match="no chunks"):
        aggregated([])
