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


class FlowHead(nn.Module):
    """As GR00T's head: it draws noise and time inside, data is at t = 1, and more rows than the chunk's are decoded.

    `guided` is what its users add.
    """

    def __init__(self, horizon, features, tokens=2):
        super().__init__()
        self.horizon, self.features, self.tokens, self.guided = horizon, features, tokens, None
        self.trunk = nn.Linear(horizon * features + 1, (tokens + horizon) * features)
        self.action_decoder = nn.Linear(features, features)

    def sample_time(self, size):
        return torch.rand(size) * 0.9 + 0.05

    def forward(self, actions):
        noise, t = torch.randn_like(actions), self.sample_time(len(actions))[:, None, None]
        if self.guided is not None:
            self.guided.noised(actions, noise, t)
        rows = torch.cat([((1 - t) * noise + t * actions).flatten(1), t.flatten(1)], 1)
        tokens = self.trunk(rows).view(len(actions), self.tokens + self.horizon, self.features)
        predicted = self.action_decoder(tokens)[:, -self.horizon :]
        return nn.functional.mse_loss(predicted, actions - noise)


class TurnedFlowModel(FlowModel):
    """A changed copy of π0 with data at t = 1."""

    def forward(self, state, actions, noise=None, time=None):
        noise = self.sample_noise(actions.shape, actions.device) if noise is None else noise
        time = self.sample_time(actions.shape[0], actions.device) if time is None else time
        x = (1 - time[:, None, None]) * noise + time[:, None, None] * actions
        return nn.functional.mse_loss(actions - noise, self.action_out_proj(self.trunk(x, time)), reduction="none")


class OwnScheduler:
    """A scheduler of somebody's own: no `config`, and another order of arguments."""

    def __init__(self):
        self.alphas_cumprod = torch.linspace(0.999, 0.01, 100)

    def add_noise(self, clean, t, noise):
        bar = self.alphas_cumprod[t].view(-1, 1, 1)
        return bar.sqrt() * clean + (1 - bar).sqrt() * noise


class OwnDiffusionPolicy(nn.Module):
    """A noise-predicting policy with a scheduler of its own under a name of its own."""

    def __init__(self, horizon, features, name="ddpm", scheduler=None):
        super().__init__()
        self.denoiser, self.name = Network(horizon, features), name
        setattr(self, name, scheduler or OwnScheduler())

    def forward(self, a0, noise, t):
        scheduler = getattr(self, self.name)
        order = (a0, t, noise) if isinstance(scheduler, OwnScheduler) else (a0, noise, t)
        return nn.functional.mse_loss(self.denoiser(scheduler.add_noise(*order), t / 100), noise)
