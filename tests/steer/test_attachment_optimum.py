"""Attach in whole trainings: the optimum of a Gaussian policy in closed form, and two processes that act as one."""

import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from diffusers import DDPMScheduler
from torch import nn

from ate.steer import Guidance, attach
from ate.steer.encoder import IdentityEncoder
from tests.steer.loops import D, S, draw, gradients
from tests.steer.strangers import DiffusionPolicy


class Affine(nn.Module):
    """Predicts w·x + b for every element."""

    def __init__(self):
        super().__init__()
        self.model = nn.Linear(1, 1, dtype=torch.float64)
        self.noise_scheduler = DDPMScheduler(100, beta_schedule="squaredcos_cap_v2", prediction_type="sample")

    def forward(self, a0, noise, t):
        return nn.functional.mse_loss(self.model(self.noise_scheduler.add_noise(a0, noise, t)), a0)


def test_a_gaussian_policy_under_a_quadratic_energy_lands_on_its_analytic_optimum():
    """Data N(m, v), energy ‖x − a0‖²: the minimiser is E[a0|x] + 2λk·(x − E[a0|x]), linear in x."""
    mean, variance, lam, level = 0.4, 0.3, 0.2, 45
    generator = torch.Generator().manual_seed(0)
    a0, noise = (torch.randn(1, 40_000, 1, generator=generator, dtype=torch.float64) for _ in range(2))
    a0 = mean + math.sqrt(variance) * (a0 - a0.mean()) / a0.std(correction=0)
    policy = Affine()
    optimizer = torch.optim.LBFGS(policy.parameters(), max_iter=50, line_search_fn="strong_wolfe")

    def closure():
        optimizer.zero_grad()
        loss = policy(a0, noise, torch.tensor([level]))
        loss.backward()
        return loss

    with attach(policy, Guidance(IdentityEncoder(1, 40_000), "paper", lam=lam)):
        optimizer.step(closure)
    bar = float(policy.noise_scheduler.alphas_cumprod[level])
    alpha, sigma = math.sqrt(bar), math.sqrt(1 - bar)
    gain = alpha * variance / (alpha**2 * variance + sigma**2)
    k = sigma**2 / alpha
    slope = gain + 2 * lam * k * (1 - gain)
    start = (mean - gain * alpha * mean) * (1 - 2 * lam * k)
    # Sampling error of the regression on 40,000 points is below 1 %.
    assert policy.model.weight.item() == pytest.approx(slope, abs=0.01)
    assert policy.model.bias.item() == pytest.approx(start, abs=0.01)


RANK = """
import sys, torch, torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel
from ate.align.vae import InfoVAE
from ate.align.vae_config import VAEConfig
from ate.steer import Guidance, attach
from tests.steer.strangers import DiffusionPolicy

dist.init_process_group("gloo")
rank = dist.get_rank()
torch.manual_seed(0)
vae = InfoVAE(VAEConfig(features=5, latent=8, layers=3, heads=2, feedforward=16))
policy = DiffusionPolicy(6, 5)
data = torch.load(sys.argv[1], weights_only=True)
policy.load_state_dict(data["policy"])
a0, noise, t = (part.chunk(2)[rank] for part in data["batch"])
wrapped = DistributedDataParallel(policy)
with attach(wrapped, Guidance(vae, "paper", lam=2.0, clamp=0.05)) as guided:
    wrapped(a0, noise, t).backward()
assert guided.steps == 1
if rank == 0:
    torch.save([p.grad for p in policy.parameters()], sys.argv[2])
dist.barrier()
del wrapped
dist.destroy_process_group()
"""


@pytest.mark.slow
def test_two_ddp_processes_take_the_gradient_of_one(tmp_path, guidance):
    policy, batch = DiffusionPolicy(S, D), draw()
    with attach(policy, guidance):
        policy(*batch).backward()
    torch.save({"policy": policy.state_dict(), "batch": batch}, tmp_path / "in.pt")
    (tmp_path / "rank.py").write_text(RANK)
    root = str(Path(__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "rank.py", "in.pt",
         "out.pt"],
        cwd=tmp_path, capture_output=True, text=True, timeout=120,
        env={**os.environ, "PYTHONPATH": root, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for mine, theirs in zip(gradients(policy), torch.load(tmp_path / "out.pt", weights_only=True), strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-6, rtol=1e-4)
