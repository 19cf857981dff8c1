"""Schedulers of other names, flows with data at t = 1, and policies that noise by themselves: guided, or two lines."""

import re

import pytest
import torch
from diffusers import DDPMScheduler
from torch import nn

from ate.errors import InputError
from ate.steer import Guidance, attach
from tests.steer.loops import B, D, S, draw, energy_gradient, gradients
from tests.steer.strangers import (
    FlowHead,
    FlowVla,
    OwnDiffusionPolicy,
    OwnScheduler,
    TurnedFlowModel,
)


def shifted_loss(vae, prediction, x, a0, k, target):
    return nn.functional.mse_loss(prediction + 2.0 * (k * energy_gradient(vae, x, a0)).clamp(-0.05, 0.05), target)


def test_a_scheduler_of_any_name_is_found(vae, guidance):
    scheduler = DDPMScheduler(100, beta_schedule="squaredcos_cap_v2")
    policy, (a0, noise, t) = OwnDiffusionPolicy(S, D, "diffusion_process", scheduler), draw()
    with attach(policy, guidance) as guided:
        loss = policy(a0, noise, t)
    bar = scheduler.alphas_cumprod[t][:, None, None]
    x = bar.sqrt() * a0 + (1 - bar).sqrt() * noise
    wanted = shifted_loss(vae, policy.denoiser(x, t / 100), x, a0, -(1 - bar).sqrt(), noise)
    assert loss.item() == pytest.approx(wanted.item(), rel=1e-5) and guided.steps == 1
    policy.second = DDPMScheduler(50)
    with pytest.raises(InputError, match="2 different schedulers under other names"):
        attach(policy, guidance)


def test_a_scheduler_that_does_not_say_what_is_predicted_is_refused_and_works_with_the_word(vae, guidance):
    policy, (a0, noise, t) = OwnDiffusionPolicy(S, D, "noise_scheduler"), draw()
    with pytest.raises(InputError) as error:
        attach(policy, guidance)
    assert "predicts=" in error.value.fix
    with attach(policy, guidance, predicts="epsilon") as guided:
        loss = policy(a0, noise, t)
    bar = policy.noise_scheduler.alphas_cumprod[t][:, None, None]
    x = bar.sqrt() * a0 + (1 - bar).sqrt() * noise
    wanted = shifted_loss(vae, policy.denoiser(x, t / 100), x, a0, -(1 - bar).sqrt(), noise)
    assert loss.item() == pytest.approx(wanted.item(), rel=1e-5) and guided.rows


def test_a_scheduler_of_ones_own_under_any_name_is_refused_with_what_works(guidance):
    policy, batch = OwnDiffusionPolicy(S, D), draw()
    with pytest.raises(InputError) as error:
        attach(policy, guidance)
    assert "scheduler=" in error.value.fix
    with attach(policy, guidance, scheduler=policy.ddpm, network=policy.denoiser, predicts="epsilon") as guided:
        policy(*batch)
    assert guided.steps == 1 and "add_noise" not in vars(policy.ddpm)
    with pytest.raises(InputError, match="without add_noise or scale_noise"):
        attach(policy, guidance, scheduler=nn.Linear(1, 1), network=policy.denoiser)
    with pytest.raises(InputError, match="did you mean 'epsilon'"):
        attach(policy, guidance, predicts="epsilom")


def test_a_flow_with_data_at_1_is_refused_with_two_lines_that_work(vae, guidance):
    torch.manual_seed(0)
    policy, (a0, _, _) = FlowHead(S, D), draw()
    with pytest.raises(InputError) as error:
        attach(policy, guidance)
    lines = re.search(r"two lines: guided = ate\.steer\.attach\(policy, alignment, (.*), …\)", error.value.fix).group(1)
    assert "guided.noised(actions, noise, t)" in error.value.fix
    options = eval(f"dict({lines})", {"policy": policy})  # what the message says, word by word
    with attach(policy, guidance, **options) as policy.guided:
        torch.manual_seed(3)
        loss = policy(a0)
        loss.backward()
    found, guided = gradients(policy), policy.guided
    assert guided.steps == 1 and guided.hook_point.kind == "told"

    policy.guided = None
    policy.zero_grad()
    torch.manual_seed(3)
    noise, t = torch.randn_like(a0), policy.sample_time(B)[:, None, None]
    x = (1 - t) * noise + t * a0
    tokens = policy.trunk(torch.cat([x.flatten(1), t.flatten(1)], 1)).view(B, -1, D)
    prediction = policy.action_decoder(tokens)[:, -S:]
    wanted = shifted_loss(vae, prediction, x, a0, (1 - t) / t, a0 - noise)
    wanted.backward()
    assert loss.item() == pytest.approx(wanted.item(), rel=1e-5)
    for mine, theirs in zip(found, gradients(policy), strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-6, rtol=1e-4)


def test_a_diffusion_that_is_told_needs_its_levels(vae):
    policy, (a0, noise, t) = OwnDiffusionPolicy(S, D), draw()
    bar = policy.ddpm.alphas_cumprod[t]
    guidance = Guidance(vae, "paper", lam=2.0, clamp=0.05)
    with attach(policy, guidance, network=policy.denoiser, predicts="epsilon") as guided:
        with pytest.raises(InputError, match="alpha="):
            guided.noised(a0, noise, t)
        with pytest.raises(InputError, match=r"guided\.noised\(actions, noise, t\)"):
            policy(a0, noise, t)
        guided.noised(a0, noise, alpha=bar.sqrt(), sigma=(1 - bar).sqrt())
        told = policy(a0, noise, t)
    with attach(policy, guidance, scheduler=policy.ddpm, network=policy.denoiser, predicts="epsilon"):
        assert policy(a0, noise, t).item() == pytest.approx(told.item(), rel=1e-6)


@pytest.mark.parametrize("turned", [False, True])
def test_the_direction_of_time_of_a_flow_vla_is_read_off_its_input(vae, guidance, turned):
    policy, (a0, noise, _) = FlowVla(S, D), draw()
    if turned:
        policy.model = TurnedFlowModel(S, D)
    time = torch.tensor([0.1, 0.4, 0.6, 0.9])
    with attach(policy, guidance) as guided:
        losses = [policy(a0, noise, time) for _ in range(2)]
    t, model = time[:, None, None], policy.model
    data, target, k = (t, a0 - noise, (1 - t) / t) if turned else (1 - t, noise - a0, -t / (1 - t))
    x = data * a0 + (1 - data) * noise
    wanted = shifted_loss(vae, model.action_out_proj(model.trunk(x, time)), x, a0, k, target)
    assert [loss.item() for loss in losses] == pytest.approx([wanted.item()] * 2, rel=1e-5)
    assert guided.steps == 2 and not model.trunk._forward_pre_hooks


def test_a_call_that_cannot_be_taken_apart_is_refused(guidance):
    class Twice(OwnScheduler):
        def add_noise(self, clean, noise, again, t):
            return clean + noise + again * 0

    policy, (a0, noise, t) = OwnDiffusionPolicy(S, D, scheduler=Twice()), draw()
    with (
        pytest.raises(InputError, match=r"guided\.noised"),
        attach(policy, guidance, scheduler=policy.ddpm, network=policy.denoiser, predicts="epsilon"),
    ):
        policy.ddpm.add_noise(a0, noise, noise, t)
