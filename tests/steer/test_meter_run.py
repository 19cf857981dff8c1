"""The dry run against what training then measures, and what it says of settings whose effect is known."""

import math
from dataclasses import replace

import pytest
import torch
from click.testing import CliRunner

from ate.align import fit
from ate.align.config import preset
from ate.align.vae import InfoVAE
from ate.align.vae_config import VAEConfig
from ate.cli.steer import steer
from ate.data import spaces
from ate.errors import InputError
from ate.policies import build
from ate.steer import Guidance, dry_run, finetune
from ate.steer.encoder import IdentityEncoder
from ate.steer.meter import FELT_RATIO
from ate.steer.meter_run import LEAST, MOST


@pytest.fixture
def setting(make_set):
    old, new = make_set("old", joints=7), make_set("new", joints=6, seed=1)
    return build([old], 8, seed=0, width=8, hidden=32).moved_to(spaces([new], 8)[0]), new


def identity(**options):
    return Guidance(IdentityEncoder(8, 8), "paper", **options)


@pytest.mark.slow
def test_a_guidance_of_known_size_is_measured_as_such(setting):
    """The identity at the estimate shifts a sample prediction f by λ·(f − a0): λ times the residual, exactly."""
    policy, new = setting
    trained = finetune(policy, new, steps=100, learning_rate=2e-3).policy  # so that no estimate is clipped
    found = dry_run(trained, new, identity(lam=0.25, energy_at="x0_hat"), batches=4, batch=16)
    assert found.ratio == pytest.approx(0.25, rel=1e-4) and found.verdict == "acting" and found.clamped == 0
    assert all(row["ratio"] == pytest.approx(0.25, rel=1e-3) for row in found.rows)
    assert all(row["cosine"] == pytest.approx(1.0, abs=1e-4) for row in found.rows)


def test_proposed_ranges_give_the_ratio_they_promise(setting):
    policy, new = setting
    guidance = identity(lam=1.0)
    for choice in dry_run(policy, new, guidance, batches=4, batch=16).choices:
        for lam, ratio in ((choice.low, LEAST), (choice.high, MOST)):
            tried = dry_run(policy, new, replace(guidance, lam=lam, clamp=choice.clamp), batches=4, batch=16)
            assert tried.ratio == pytest.approx(ratio, rel=1e-4)
            assert tried.clamped == pytest.approx(choice.clamped)


def test_a_dry_run_changes_nothing_and_agrees_with_the_meter_of_training(setting):
    policy, new = setting
    before = {name: value.clone() for name, value in policy.state_dict().items()}
    guidance = identity(lam=2.0, clamp=0.1)
    dry = dry_run(policy, new, guidance, batches=4, batch=16, seed=3)
    assert policy.training and all(torch.equal(before[name], value) for name, value in policy.state_dict().items())
    # Training on the same stream with a rate that leaves the policy as it is measures the same.
    trained = finetune(policy, new, guidance, steps=4, batch=16, seed=3, learning_rate=1e-12)
    assert len(dry.rows) == len(trained.meter) > 0
    for one, other in zip(dry.rows, trained.meter, strict=True):
        assert one == pytest.approx(other, rel=1e-3, abs=1e-6)


def test_too_small_a_shift_is_inactive_and_too_tight_a_clamp_dominates(setting):
    policy, new = setting
    assert dry_run(policy, new, identity(lam=1e-6, clamp=0.1), batches=2, batch=16).verdict == "inactive"
    assert dry_run(policy, new, identity(lam=50.0, clamp=1e-3), batches=2, batch=16).verdict == "clamp-dominated"


@pytest.mark.slow
def test_it_says_what_the_released_settings_do(setting):
    """λ 3, clamp 0.1, mean over batch and latent: the summed energy with λ and clamp off by a factor of 32,768."""
    policy, new = setting
    torch.manual_seed(0)
    vae = InfoVAE(VAEConfig(features=8, latent=512, layers=1, heads=4, feedforward=16))
    released = Guidance(vae, "paper", lam=3.0, clamp=0.1, reduction="mean")
    found = dry_run(policy, new, released, batches=2, batch=64)
    scale = 64 * 512
    as_sum = dry_run(policy, new, Guidance(vae, "paper", lam=3.0 / scale, clamp=0.1 * scale), batches=2, batch=64)
    for one, other in zip(found.rows, as_sum.rows, strict=True):
        assert one == pytest.approx(other, rel=1e-3, abs=1e-9)
    summed = dry_run(policy, new, Guidance(vae, "paper", lam=3.0), batches=2, batch=64)
    # Nothing but the last noise levels, where k diverges, is felt; for most samples it is next to nothing.
    felt = [row["t_high"] for row in found.rows if row["ratio"] >= FELT_RATIO]
    assert felt == felt[-1:] and sum(row["idle"] for row in found.rows) > 0.5 * len(found.rows)
    assert all(row["idle"] == 0 for row in summed.rows[3:])
    said = found.sentence(released)
    assert "λ=3, c=0.1" in said and "of samples get less than 0.001" in said
    assert ("felt at noise levels 0.9 to 1" if felt else "at no noise level") in said


def test_only_joints_that_are_named_are_guided(make_set, tmp_path):
    old, new = make_set("old", joints=7), make_set("new", joints=6, seed=1)
    alignment = fit(old, new, replace(preset("smoke"), chunk=8, pretrain_steps=2, adapt_steps=2))
    some = Guidance.of(alignment, "paper", joints=["joint1", "joint[45]"])
    every = Guidance.of(alignment, "paper")
    x, a0 = torch.randn(3, 8, alignment.space.width), torch.zeros(3, 8, alignment.space.width)
    moved = some.shift(x, a0, 1.0).abs().sum((0, 1)) > 0
    slots = dict(zip(alignment.joint_names, alignment.space.embodiment.slots, strict=True))
    assert {name for name, slot in slots.items() if moved[slot]} == {"joint1", "joint4", "joint5"}
    torch.testing.assert_close(some.shift(x, a0, 1.0)[..., moved], every.shift(x, a0, 1.0)[..., moved])
    with pytest.raises(InputError, match=r"no joint 'joint9'.*did you mean"):
        Guidance.of(alignment, "paper", joints=["joint9"])


@pytest.mark.slow
def test_the_command_measures_then_trains(make_set, tmp_path):
    old, new = make_set("old", joints=7), make_set("new", joints=6, seed=1)
    alignment = fit(old, new, replace(preset("smoke"), chunk=8, pretrain_steps=4, adapt_steps=4), tmp_path / "aligned")
    file = tmp_path / "policy.safetensors"
    build([old], 8, seed=0, width=alignment.space.width, hidden=32).save(file)
    given = ["--policy", str(file), "--alignment", str(tmp_path / "aligned"), "--adapt", str(new[0].path.parent)]
    given += ["--steps", "6", "--batch", "8", "--clamp", "0.1", "--out", str(tmp_path / "out")]
    only = CliRunner().invoke(steer, [*given, "--meter-only"], catch_exceptions=False)
    assert only.exit_code == 0 and "Worth trying" in only.output and not (tmp_path / "out").exists()
    done = CliRunner().invoke(steer, given, catch_exceptions=False)
    assert done.exit_code == 0 and (tmp_path / "out" / "policy.safetensors").exists()
    assert "Guidance over 6 steps" in done.output
    assert math.isfinite(float(done.output.split("demonstrations: ")[1].split(" to ")[0]))
