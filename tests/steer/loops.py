"""Batches for policies of strangers, and the gradients that guidance must give them."""

import torch

S, D, B = 6, 5, 4


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
