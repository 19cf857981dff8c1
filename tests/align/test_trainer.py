"""Precision, compilation, several processes, no wait for the device, and a warning for a latent that dies."""

import json
import os
import subprocess
import sys
import warnings

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

import ate.align
from ate.align import AlignConfig
from ate.align.losses import Target, losses
from ate.align.mixture import Mixture
from ate.align.priors import standard
from ate.align.trainer import DeadLatent, half, network
from ate.align.vae import InfoVAE
from ate.align.vae_config import VAEConfig
from ate.errors import InputError
from ate.runs import checkpoint, distributed

SHAPE = VAEConfig(features=5, latent=8, layers=3, heads=2, feedforward=16, dropout=0.0)


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(8, 6, 5, generator=generator)
    noise, reference = torch.randn(2, 8, 8, generator=generator)
    return x, torch.ones(8, 1, 5, dtype=torch.bool), noise, reference


def gradients(vae, config, batch):
    x, mask, noise, reference = batch
    vae.zero_grad(set_to_none=True)
    target = Target(standard(8), standard(8))
    terms = losses(network(vae, config), x, mask, target, noise, reference, config)
    terms["loss"].backward()
    return terms, torch.cat([p.grad.flatten() for p in vae.parameters() if p.grad is not None])


def vae_of(seed=0):
    torch.manual_seed(seed)
    return InfoVAE(SHAPE)


def test_by_default_a_cpu_runs_the_network_itself(batch):
    vae = vae_of()
    assert network(vae, AlignConfig(latent=8)) is vae and not half("auto", torch.device("cpu"))


def test_half_precision_rounds_and_gives_float32_back(batch):
    vae = vae_of()
    full, exact = gradients(vae, AlignConfig(latent=8), batch)
    low, rounded = gradients(vae, AlignConfig(latent=8, precision="bfloat16"), batch)
    full, low = ({name: value.detach() for name, value in terms.items()} for terms in (full, low))
    assert all(value.dtype == torch.float32 for value in low.values())
    assert 0 < float((rounded - exact).norm() / exact.norm()) < 0.05  # eight bits, but not nothing
    assert float(low["loss"]) == pytest.approx(float(full["loss"]), rel=0.02)


@pytest.mark.slow
def test_compiled_training_is_the_same_training_under_the_same_names(robots, tiny, tmp_path):
    config = tiny.with_options(pretrain_steps=4, adapt_steps=4, dropout=0.0)
    plain = ate.align.fit(*robots, preset=config)
    compiled = ate.align.fit(*robots, preset=config.with_options(compile="aot_eager"), directory=tmp_path)
    names = list(checkpoint.load(tmp_path / "adapt" / "last.safetensors")["state"]["vae"])
    assert names == list(plain.vae.state_dict()) and not any("_orig_mod" in name for name in names)
    for name, value in plain.vae.state_dict().items():
        torch.testing.assert_close(compiled.vae.state_dict()[name], value, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_an_alignment_in_bf16_is_that_of_float32_up_to_rounding(robots, tiny):
    config = tiny.with_options(pretrain_steps=8, adapt_steps=6, dropout=0.0)
    exact = ate.align.fit(*robots, preset=config)
    own = ate.align.fit(*robots, preset=config.with_options(precision="bfloat16_copy"))
    assert {weight.dtype for weight in own.vae.parameters()} == {torch.float32}
    for stage in ("pretrain", "adapt"):
        last = [row["loss"] for row in own.metrics[stage]][-1], [row["loss"] for row in exact.metrics[stage]][-1]
        assert last[0] == pytest.approx(last[1], rel=0.05) and last[0] != last[1]


class NoWaiting(TorchDispatchMode):
    """Refuses what would make a host wait for its device: a number read back, a shape that depends on values."""

    WAITS = ("_local_scalar_dense", "nonzero", "masked_select", "unique", "equal")

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = function.overloadpacket.__name__
        if name in self.WAITS or (name.startswith("index") and any(_mask(a) for a in args)):
            raise AssertionError(f"a step waits for the device in {name}")
        return function(*args, **(kwargs or {}))


def _mask(argument):
    parts = argument if isinstance(argument, (list, tuple)) else [argument]
    return any(isinstance(part, torch.Tensor) and part.dtype == torch.bool for part in parts)


@pytest.mark.parametrize("kind", ["standard", "mixture", "anchored"])
def test_a_step_never_waits_for_the_device(batch, kind):
    vae = vae_of()
    x, mask, noise, _ = batch
    config = AlignConfig(latent=8, anchor_weight=0.1)
    target = Target(standard(8), standard(8))
    if kind == "mixture":
        modes = Mixture(torch.tensor([0.5, 0.5]), torch.randn(2, 8), torch.ones(2, 8))
        target = Target(modes, modes, occupied=True)
    anchors = torch.randn(8, 3, 8) if kind == "anchored" else None
    optimizer = torch.optim.AdamW(vae.parameters(), fused=True)
    with NoWaiting():
        reference = torch.randn(8, target.reference.noise_width)
        terms = losses(network(vae, config), x, mask, target, noise, reference, config, anchors)
        terms["loss"].backward()
        optimizer.step()
    with pytest.raises(AssertionError, match="waits"), NoWaiting():
        float(terms["loss"])


@pytest.mark.slow
def test_a_dead_latent_warns_once_and_early(robots, tiny):
    dead = tiny.with_options(kl_weight=100.0, pretrain_steps=60, adapt_steps=6, learning_rate=1e-2)
    with pytest.warns(DeadLatent, match=r"pretrain: after \d+ of 60 steps [01] of 8") as caught:
        ate.align.fit(*robots, preset=dead)
    assert sum("pretrain" in str(w.message) for w in caught if w.category is DeadLatent) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error", DeadLatent)
        ate.align.fit(*robots, preset="smoke")


PROGRAM = """
import json, sys, torch
from pathlib import Path
from ate.align.config import preset
from ate.align.stages import fit
from ate.align.losses import Target, losses
from ate.align.priors import standard
from ate.align.trainer import network
from ate.align.vae import InfoVAE
from ate.align.vae_config import VAEConfig
from ate.runs.distributed import average, rank, session
from tests.align.conftest import robot
torch.set_num_threads(1)
config = preset("smoke").with_options(chunk=8, latent=8, feedforward=16, pretrain_steps=5, adapt_steps=4)
config = config.with_options(batch=16)
sets = robot("seven", 8, 10, 1), robot("six", 7, 10, 2)
with session():
    # In float64, and before an optimiser that divides by the size of a gradient: rounding must not hide a mistake.
    torch.manual_seed(0)
    vae = InfoVAE(VAEConfig(features=5, latent=8, layers=3, heads=2, feedforward=16, dropout=0.0)).double()
    x, noise = torch.randn(8, 6, 5).double(), torch.randn(8, 8).double()
    mask = torch.rand(8, 1, 5) > 0.4  # chunks with more and with fewer valid slots, unlike in the two halves
    prior = standard(8)
    terms = losses(network(vae, config), x, mask, Target(prior, prior), noise, torch.randn(8, 8).double(), config)
    terms["loss"].backward()
    average(vae.parameters())
    gradient = torch.cat([p.grad.flatten() for p in vae.parameters() if p.grad is not None])
    trained = fit(sets, robot("new", 7, 6, 3), config, sys.argv[1])
    weights = torch.cat([p.flatten() for p in (*trained.pretrain_vae.parameters(), *trained.vae.parameters())])
    held = [row["held_loss"] for row in trained.metrics["pretrain"]]
    result = {"rank": rank(), "weights": weights.double().tolist(), "gradient": gradient.tolist(), "held": held}
    # A file each: long lines of two processes would mix in one pipe.
    Path(sys.argv[1]).with_suffix(f".{rank()}.json").write_text(json.dumps(result))
"""


def launch(folder, processes):
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "ATE_DEVICE": "cpu", "PYTHONPATH": os.getcwd()}
    program = folder.parent / "program.py"
    program.write_text(PROGRAM)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(processes)]
    done = subprocess.run(
        [*command, str(program), str(folder)], capture_output=True, text=True, env=environment, timeout=120
    )
    written = sorted(folder.parent.glob(f"{folder.name}.*.json"))
    return done, [json.loads(file.read_text()) for file in written]


@pytest.mark.slow
def test_two_processes_train_what_one_does(tmp_path):
    one, single = launch(tmp_path / "one", 1)
    two, pair = launch(tmp_path / "two", 2)
    assert one.returncode == two.returncode == 0, one.stderr + two.stderr
    assert sorted(p["rank"] for p in pair) == [0, 1]
    np.testing.assert_array_equal(pair[0]["weights"], pair[1]["weights"])
    np.testing.assert_allclose(pair[0]["gradient"], single[0]["gradient"], rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(pair[0]["held"], single[0]["held"], rtol=1e-4)
    assert (tmp_path / "two" / "alignment.safetensors").exists()


def test_one_process_needs_no_group(monkeypatch):
    x = torch.arange(4.0)
    assert distributed.own_rows(x) is x and distributed.all_rows(x) is x and distributed.leader()
    with distributed.session():
        assert distributed.processes() == 1
    monkeypatch.setattr(distributed, "processes", lambda: 3)
    with pytest.raises(InputError, match=r"a batch of 4.*multiple of 3"):
        distributed.own_rows(x)
