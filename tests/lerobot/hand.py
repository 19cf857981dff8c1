"""The shifted-target loss of a lerobot policy, written by hand: no part of `ate.steer` takes part.

    loss = mean over the counted columns of (prediction − (target − λ·clamp(k·g, ±c)))²

k in closed form, and g = −∂/∂x ‖E(x) − E(a0)‖² through the map from the policy's units to the encoder's.
"""

from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from tests.lerobot.policies import HORIZON, JOINTS
from tests.steer.lines import JOINTS as NAMES

# The policy's columns are the alignment's in another order, normalised by mean and standard deviation, as lerobot does.
ORDER = (4, 2, 0, 1, 3)
COLUMNS = [ORDER.index(i) for i in range(JOINTS)]


@dataclass(frozen=True)
class Actions:
    """What a policy is given.

    Attributes:
        values: `(B, S, 5)` in the policy's order and units.
        mean: of the five, in data units.
        std: same.
    """

    values: torch.Tensor
    mean: np.ndarray
    std: np.ndarray

    @property
    def joints(self):
        return [NAMES[i] for i in ORDER]

    @property
    def words(self):
        """How `attach` is told about them."""
        return {"joints": self.joints, "statistics": (self.mean, self.std)}


def actions_of(robot, size):
    raw = robot.series(0)[: size * HORIZON, list(ORDER)].astype("f8")
    mean, std = raw.mean(0), raw.std(0)
    values = torch.from_numpy((raw - mean) / std).float().view(size, HORIZON, JOINTS)
    return Actions(values, mean, std)


@contextmanager
def overheard(case):
    """What the policy noises and predicts in a step without guidance: dict of a0, noise, level, prediction."""
    heard = {"a0": nn.functional.pad(case.batch["action"], (0, case.width - JOINTS))}
    owner = case.policy.model if case.flow else case.policy.diffusion.noise_scheduler
    names = ("sample_noise", "sample_time") if case.flow else ("add_noise",)

    def listening(name, own):
        def called(*args):
            found = own(*args)
            if case.flow:
                heard["noise" if name == "sample_noise" else "level"] = found
            else:
                heard["noise"], heard["level"] = args[1:]
            return found

        return called

    handle = case.prediction.register_forward_hook(lambda *call: heard.__setitem__("prediction", call[2]))
    for name in names:
        object.__setattr__(owner, name, listening(name, getattr(owner, name)))
    try:
        yield heard
    finally:
        handle.remove()
        for name in names:
            object.__delattr__(owner, name)


def path(case, level):
    """α, σ, k `(B, 1, 1)` and p, q of the target p·a0 + q·ε."""
    if case.flow:
        t = level[:, None, None]
        return 1 - t, t, -t / (1 - t), -1.0, 1.0
    config = case.policy.config
    bar = case.policy.diffusion.noise_scheduler.alphas_cumprod[level][:, None, None]
    alpha, sigma = bar.sqrt(), (1 - bar).sqrt()
    if config.prediction_type == "epsilon":
        return alpha, sigma, -sigma, 0.0, 1.0
    return alpha, sigma, sigma**2 / alpha, 1.0, 0.0


def shift(case, heard, alignment, actions, lam, clamp):
    """λ·clamp(k·g) `(B, S, width)`; zero in the padded columns."""
    alpha, sigma, k, _, _ = path(case, heard["level"])
    own, back = alignment.space.normalizer, COLUMNS
    mean, std, center = (torch.as_tensor(part, dtype=torch.float32) for part in (actions.mean, actions.std, own.center))
    half = torch.as_tensor(own.half_range, dtype=torch.float32)

    def latent(values, share):
        joints = values[..., back] * std[back] + share * (mean[back] - center)
        return alignment.vae.encode(joints / half).mean

    x = (alpha * heard["a0"] + sigma * heard["noise"]).requires_grad_(True)
    distance = (latent(x, alpha) - latent(heard["a0"], 1.0).detach()).square().sum()
    g = -torch.autograd.grad(distance, x)[0]
    return lam * (k * g).clamp(-clamp, clamp)


def shifted_target_loss(case, alignment, actions, lam, clamp):
    """Loss of one step, whose random numbers come from torch's generator as they would without us."""
    with overheard(case) as heard:
        case.loss()
    _, _, _, p, q = path(case, heard["level"])
    target = p * heard["a0"] + q * heard["noise"] - shift(case, heard, alignment, actions, lam, clamp)
    return (heard["prediction"] - target)[..., : case.counted].square().mean()
