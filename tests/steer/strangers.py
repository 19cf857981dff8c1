"""Policies as other people write them: each keeps its own loss, and knows nothing of guidance."""

import torch
from diffusers import DDPMScheduler, FlowMatchEulerDiscreteScheduler
from torch import nn


class Network(nn.Module):
    """A network `(B, S, D) → (B, S, D)` of the noised chunk and a level."""

    def __init__(self, horizon, features):
        super().__init__()
        self.inner = nn.Linear(horizon * features + 1, horizon * features)

    def forward(self, sample, level):
        rows = torch.cat([sample.flatten(1), level[:, None].to(sample)], 1)
        return self.inner(rows).view(sample.shape)


class DiffusionPolicy(nn.Module):
    """As Diffusion Policy's: a diffusers scheduler and a `model`."""

    def __init__(self, horizon, features, prediction="epsilon", **schedule):
        super().__init__()
        self.model = Network(horizon, features)
        self.noise_scheduler = DDPMScheduler(
            100, beta_schedule="squaredcos_cap_v2", prediction_type=prediction, **schedule
        )

    def forward(self, a0, noise, t):
        noisy = self.noise_scheduler.add_noise(a0, noise, t)
        prediction = self.model(noisy, t / 100)
        kind = self.noise_scheduler.config.prediction_type
        if kind == "v_prediction":
            target = self.noise_scheduler.get_velocity(a0, noise, t)
        else:
            target = noise if kind == "epsilon" else a0
        return nn.functional.mse_loss(prediction, target)

    @torch.no_grad()
    def sample(self, x):
        return self.model(x, torch.zeros(len(x)))


class FlowMatchPolicy(nn.Module):
    """As diffusers' flow-matching scripts: `scale_noise`, and noise − data for a target."""

    def __init__(self, horizon, features):
        super().__init__()
        self.transformer = Network(horizon, features)
        self.scheduler = FlowMatchEulerDiscreteScheduler(100)

    def forward(self, a0, noise, t):
        times = self.scheduler.timesteps[t]
        noisy = self.scheduler.scale_noise(a0, times, noise)
        return nn.functional.mse_loss(self.transformer(noisy, times / 100), noise - a0)


class FlowModel(nn.Module):
    """As the inner model of π0 or SmolVLA: it draws noise and time itself unless they are given."""

    def __init__(self, horizon, features):
        super().__init__()
        self.trunk = Network(horizon, features)
        self.action_out_proj = nn.Linear(features, features)

    def sample_noise(self, shape, device):
        return torch.randn(shape, device=device)

    def sample_time(self, size, device):
        return torch.rand(size, device=device) * 0.9 + 0.05

    def forward(self, state, actions, noise=None, time=None):
        noise = self.sample_noise(actions.shape, actions.device) if noise is None else noise
        time = self.sample_time(actions.shape[0], actions.device) if time is None else time
        x = time[:, None, None] * noise + (1 - time[:, None, None]) * actions
        v = self.action_out_proj(self.trunk(x, time))
        return nn.functional.mse_loss(noise - actions, v, reduction="none")


class FlowVla(nn.Module):
    """As lerobot's wrapper around it, which calls `.forward` directly and pads the actions."""

    def __init__(self, horizon, padded):
        super().__init__()
        self.model, self.padded = FlowModel(horizon, padded), padded

    def forward(self, actions, noise=None, time=None):
        padded = nn.functional.pad(actions, (0, self.padded - actions.shape[-1]))
        losses = self.model.forward(None, padded, noise, time)
        return losses[..., : actions.shape[-1]].mean()
