"""Guidance at pre-training observations in a stranger's loop: some rows of the batch are pulled, the others regress."""

import pytest
import torch

from ate.errors import InputError
from ate.steer import Goals, Guidance, attach
from tests.steer.loops import D, S, draw, gradients
from tests.steer.strangers import DiffusionPolicy

ROWS = torch.tensor([-1, 5, -1, 0])


@pytest.fixture
def goals(vae):
    generator = torch.Generator().manual_seed(2)
    return Goals(torch.randn(7, 8, generator=generator), S)


@pytest.mark.parametrize("latent", ["mean", "decoded"])
@pytest.mark.parametrize("kind", ["epsilon", "sample", "v_prediction"])
def test_marked_rows_are_pulled_to_their_goals_and_regress_nothing(kind, latent, vae, goals):
    policy, (a0, noise, t) = DiffusionPolicy(S, D, kind), draw()
    guidance = Guidance(vae, "tool-motion", lam=3.0, latent=latent, goals=goals)
    with attach(policy, guidance) as guided:
        guided.replayed(ROWS)
        policy(a0, noise, t).backward()
    found = gradients(policy)

    # By autograd through the estimate: the plain loss of two rows and the latent distance of the other two.
    policy.zero_grad()
    bar = policy.noise_scheduler.alphas_cumprod[t][:, None, None]
    alpha, sigma = bar.sqrt(), (1 - bar).sqrt()
    x = alpha * a0 + sigma * noise
    prediction = policy.model(x, t / 100)
    target = {"epsilon": noise, "sample": a0, "v_prediction": alpha * noise - sigma * a0}[kind]
    estimate = {
        "epsilon": (x - sigma * prediction) / alpha,
        "sample": prediction,
        "v_prediction": alpha * x - sigma * prediction,
    }[kind]  # fmt: skip
    marked = ROWS >= 0
    plain = (prediction - target)[~marked].square().sum()
    reached, goal = estimate[marked].clamp(-1.5, 1.5), goals.latents[ROWS[marked]]
    distance = vae.encode(reached).mean - goal if latent == "mean" else reached - vae.decode(goal, S)
    energy = distance.square().sum()
    ((plain + 3.0 * energy) / a0.numel()).backward()
    for mine, theirs in zip(found, gradients(policy), strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-5, rtol=1e-4)
    assert guided.steps == 1 and guided.rows


def test_a_batch_of_demonstrations_alone_is_left_as_it_is(vae, goals):
    policy, (a0, noise, t) = DiffusionPolicy(S, D), draw()
    plain = policy(a0, noise, t)
    with attach(policy, Guidance(vae, "tool-motion", goals=goals)) as guided:
        guided.replayed(torch.full((4,), -1))
        assert torch.equal(policy(a0, noise, t), plain)


def test_rows_that_are_not_told_are_asked_for(vae, goals):
    policy, (a0, noise, t) = DiffusionPolicy(S, D), draw()
    guidance = Guidance(vae, "tool-motion", goals=goals)
    for rows in (None, ROWS[:2]):
        with pytest.raises(InputError, match=r"replayed\(rows\)"), attach(policy, guidance) as guided:
            if rows is not None:
                guided.replayed(rows)
            policy(a0, noise, t)
