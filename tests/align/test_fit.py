"""Both stages, end to end on small synthetic robots."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

import ate.align
from ate.align import AlignConfig, Alignment
from ate.align.alignment import split
from ate.align.config import PRESETS, preset
from ate.align.losses import Target, reconstruction
from ate.align.priors import Gaussian, aggregated, posteriors
from ate.align.trainer import learning_rate_factor, steps_of
from ate.align.vae import Posterior
from ate.data.chunks import concat
from ate.errors import InputError
from ate.runs import loop

from .conftest import robot


@pytest.fixture(scope="module")
def alignment(robots, tiny):
    return ate.align.fit(*robots, preset=tiny)


def weights(alignment):
    return {
        **{f"old.{k}": v for k, v in alignment.pretrain_vae.state_dict().items()},
        **{f"new.{k}": v for k, v in alignment.vae.state_dict().items()},
        "mean": alignment.prior.mean,
        "std": alignment.prior.std,
    }


def assert_bit_equal(one, other):
    assert one.keys() == other.keys()
    for key, value in one.items():
        assert torch.equal(value, other[key]), key


@pytest.mark.slow
def test_training_learns_and_freezes(alignment, robots):
    for rows in alignment.metrics.values():
        assert rows[-1]["held_reconstruction"] < 0.7 * rows[0]["held_reconstruction"]
    assert not alignment.vae.training
    assert not any(p.requires_grad for p in alignment.vae.parameters())
    x = alignment.chunks(robots[1]).gather(torch.arange(3)).requires_grad_()
    (gradient,) = torch.autograd.grad(alignment.vae.encode(x).mean[:, 0].sum(), x)
    assert float(gradient.abs().max()) > 0
    assert alignment.joint_names == robots[1].joint_names


@pytest.mark.slow
def test_prior_is_the_aggregated_posterior_of_the_training_chunks(alignment, robots, tiny):
    train = [s.split(tiny.held_out, 0)[0] for s in robots[0]]
    chunks = concat([alignment.chunks(s, sp) for s, sp in zip(train, alignment.pretrain_spaces, strict=True)])
    stream = list(posteriors(alignment.pretrain_vae, chunks))
    mean, std = torch.cat([p.mean for p in stream]), torch.cat([p.std for p in stream])
    torch.testing.assert_close(alignment.prior.mean, mean.mean(0))
    torch.testing.assert_close(alignment.prior.std.square(), std.square().mean(0) + mean.var(0, correction=0))


@pytest.mark.slow
def test_resumed_run_equals_uninterrupted(robots, tiny, alignment, tmp_path, monkeypatch):
    class Killed(Exception):
        pass

    whole, stored = loop._store, []

    def store_then_die(*arguments):
        whole(*arguments)
        stored.append(arguments[0])
        # Once in the middle of each stage.
        if len([s for s in stored if s == arguments[0]]) == 2:
            raise Killed

    monkeypatch.setattr(loop, "_store", store_then_die)
    for _ in range(2):
        with pytest.raises(Killed):
            ate.align.fit(*robots, preset=tiny, directory=tmp_path)
        assert not (tmp_path / "alignment.safetensors").exists()
    torch.rand(7)  # the global random state of the caller must not matter
    resumed = ate.align.fit(*robots, preset=tiny, directory=tmp_path)
    assert_bit_equal(weights(resumed), weights(alignment))
    assert resumed.metrics == alignment.metrics
    assert_bit_equal(weights(Alignment.load(tmp_path)), weights(alignment))


@pytest.mark.slow
def test_another_configuration_does_not_continue_a_run(robots, tiny, tmp_path):
    ate.align.fit(*robots, preset=tiny, directory=tmp_path)
    with pytest.raises(InputError, match="another run"):
        ate.align.fit(*robots, preset=tiny.with_options(kl_weight=1e-3), directory=tmp_path)


def test_seed_changes_the_result_and_nothing_outside(robots, tiny, alignment):
    before = torch.random.get_rng_state()
    other = ate.align.fit(*robots, preset=tiny.with_options(pretrain_steps=2, adapt_steps=2), seed=1)
    assert torch.equal(before, torch.random.get_rng_state())
    assert not torch.equal(other.vae.embed.weight, alignment.vae.embed.weight)


@pytest.mark.slow
def test_device_is_a_parameter_and_the_environment_only_its_default(robots, tiny, tmp_path, monkeypatch):
    monkeypatch.setenv("ATE_DEVICE", "toaster")
    short = tiny.with_options(pretrain_steps=2, adapt_steps=2)
    alignment = ate.align.fit(*robots, preset=short, device="cpu")
    ate.align.refit(alignment, *robots, preset=short, device="cpu")
    ate.align.realign(alignment, robots[1], device="cpu")
    ate.align.fit_one_stage(alignment, robots[1], device="cpu")
    alignment.save(tmp_path)
    assert Alignment.load(tmp_path, device="cpu").device == alignment.device == torch.device("cpu")
    for call, where in (
        (lambda: ate.align.fit(*robots, preset=short), "ATE_DEVICE"),
        (lambda: Alignment.load(tmp_path), "ATE_DEVICE"),
        (lambda: ate.align.realign(alignment, robots[1], device="oven"), "device"),
    ):
        with pytest.raises(InputError) as error:
            call()
        assert error.value.where == where


def test_save_and_load_are_bit_equal(alignment, robots, tmp_path):
    alignment.save(tmp_path)
    again = Alignment.load(tmp_path)
    assert_bit_equal(weights(again), weights(alignment))
    assert again.config == alignment.config
    assert again.digests == alignment.digests and again.held_out == alignment.held_out
    assert again.metrics == alignment.metrics
    np.testing.assert_array_equal(again.encode(robots[1]).mean, alignment.encode(robots[1]).mean)
    raw = robots[1][0].qpos
    np.testing.assert_array_equal(again.space.encode(raw), alignment.space.encode(raw))
    with pytest.raises(InputError, match="absent"):
        Alignment.load(tmp_path / "absent")


def test_latents_know_where_they_are_from(alignment, robots):
    latents = alignment.encode_pretrain(robots[0])
    assert len(latents) == sum(n - 7 for s in robots[0] for n in s.lengths)
    row = int(np.flatnonzero((latents.robot == "six") & (latents.episode == "episode_0003") & (latents.start == 5))[0])
    assert latents.set[row] == 1 and latents.group[row] == 13
    space = alignment.pretrain_spaces[1]
    x = torch.from_numpy(space.encode(robots[0][1][3].qpos[5:13]))[None]
    found = alignment.pretrain_vae.encode(x)
    torch.testing.assert_close(torch.from_numpy(latents.mean[row]), found.mean[0], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(torch.from_numpy(latents.std[row]), found.std[0], rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_released_preset_sets_all_that_differs_in_the_release(robots, tiny):
    switches = {
        name: getattr(PRESETS["released"], name)
        for name in ("kl_direction", "moments", "moment_inputs", "mmd_reference", "mmd_kernel", "dropout")
    }
    paper = {name: getattr(PRESETS["paper"], name) for name in switches}
    assert switches == {
        "kl_direction": "forward",
        "moments": "released",
        "moment_inputs": "noised",
        "mmd_reference": "standard",
        "mmd_kernel": "released",
        "dropout": 0.0,
    }
    assert paper == {
        "kl_direction": "reverse",
        "moments": "aggregated",
        "moment_inputs": "clean",
        "mmd_reference": "prior",
        "mmd_kernel": "multiscale",
        "dropout": 0.1,
    }
    assert PRESETS["paper"].with_options(**switches) == PRESETS["released"]
    result = ate.align.fit(*robots, preset=tiny.with_options(**switches))
    train = [s.split(tiny.held_out, 0)[0] for s in robots[0]]
    chunks = concat([result.chunks(s, sp) for s, sp in zip(train, result.pretrain_spaces, strict=True)])
    assert (result.prior.std < aggregated(posteriors(result.pretrain_vae, chunks)).std).float().mean() > 0.5


def test_kl_direction_swaps_the_arguments():
    q, p = Posterior(torch.zeros(1, 1), torch.ones(1, 1)), Gaussian(torch.ones(1), torch.full((1,), 2.0))
    reverse, forward = Target(p, p).kl(q), Target(p, p, forward=True).kl(q)
    assert float(reverse) == pytest.approx(np.log(2) + (1 + 1) / 8 - 0.5)
    assert float(forward) == pytest.approx(-np.log(2) + (4 + 1) / 2 - 0.5)


def test_slots_a_robot_lacks_do_not_count():
    x, decoded = torch.zeros(2, 3, 4), torch.zeros(2, 3, 4)
    decoded[0, :, 3] = 100.0
    decoded[1, :, 3] = 1.0
    mask = torch.tensor([[True, True, True, False], [True, True, True, True]])[:, None]
    assert float(reconstruction(x, decoded, mask)) == pytest.approx(3 * 0.5 / 21)


@pytest.mark.slow
def test_stage_two_may_start_from_stage_one(robots, tiny):
    still = tiny.with_options(adapt_init="pretrained", adapt_steps=1, learning_rate=1e-9)
    result = ate.align.fit(*robots, preset=still)
    slots = list(result.space.embodiment.slots)
    torch.testing.assert_close(result.vae.embed.weight, result.pretrain_vae.embed.weight[:, slots], atol=1e-6, rtol=0)


def test_presets_are_found_by_name():
    assert preset("paper").latent == 512 and preset("paper").layers == 9 and preset("paper").batch == 64
    assert preset(AlignConfig(chunk=5)).chunk == 5
    with pytest.raises(InputError, match="demo"):
        preset("demoo")


@pytest.mark.parametrize(
    "options",
    [
        {"layers": 2},
        {"kl_direction": "revers"},
        {"chunk": 0},
        {"batch": 1},
        {"batch": True},
        {"kl_weight": -1.0},
        {"latent": 30},
        {"held_out": 0.0},
        {"dropout": 1.0},
        {"learning_rate": float("nan")},
        {"learning_rate": 0.0},
        {"adapt_kl_weight": -1.0},
        {"adapt_kl_weight": True},
        {"mixture_components": -1},
        {"mmd_reference": "modes"},
        {"moments": "released", "prior": "mixture"},
    ],
)
def test_config_checks_itself(options):
    with pytest.raises(InputError) as error:
        AlignConfig().with_options(**options)
    assert error.value.where == f"AlignConfig.{next(iter(options))}"


def test_a_mistyped_option_is_refused_with_the_nearest_one():
    with pytest.raises(InputError) as error:
        AlignConfig().with_options(kl_weigth=1.0)
    assert error.value.where == "AlignConfig" and "'kl_weight'" in error.value.fix


def test_bad_data_are_refused_before_anything_is_written(robots, tiny, tmp_path):
    pretrain, adapt = robots
    cases = [
        ((pretrain, adapt.select([])), tiny, "0 of 0"),
        (((), adapt), tiny, "no sets"),
        ((pretrain, adapt.select([0])), tiny, "at least 2"),
        ((pretrain, adapt), tiny.with_options(chunk=41), "at most 40"),
        ((pretrain, "data/adapt"), tiny, "ate.data.load"),
    ]
    for data, config, match in cases:
        with pytest.raises(InputError, match=match):
            ate.align.fit(*data, preset=config, directory=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_episodes_of_another_robot_are_refused(alignment, robots):
    with pytest.raises(InputError, match="joint_6"):
        alignment.encode(robots[0][0])
    with pytest.raises(InputError, match="seven, six"):
        alignment.encode_pretrain(robots[1])
    with pytest.raises(InputError, match="qpos"):
        alignment.encode(replace(robots[1], source="action", items=robots[1].items))


def test_short_episodes_are_left_out(tiny):
    long, short = robot("new", 7, 4, 3), robot("new", 7, 2, 4, steps=5)
    mixed = replace(long, items=long.items + short.items)
    train, held = split(mixed, tiny, 0)
    assert len(train) + len(held) == 4


def test_schedule_and_units():
    assert [learning_rate_factor("constant", i, 10) for i in (0, 9)] == [1.0, 1.0]
    factors = [learning_rate_factor("cosine", i, 100) for i in range(100)]
    assert factors[0] == 0.2 and max(factors) == 1.0 and factors[-1] < 1e-3
    assert steps_of(3, "epochs", 130, 64) == 9 and steps_of(3, "steps", 130, 64) == 3


def test_importing_the_room_does_not_import_torch():
    code = "import sys, ate.align; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    "options",
    [
        {"prior": "mixture", "mixture_components": 3, "mmd_reference": "modes"},
        {"kl_direction": "forward", "moments": "released"},
    ],
)
@pytest.mark.slow
def test_refit_gives_the_bits_of_fit_without_its_first_stage(robots, tiny, options):
    config = tiny.with_options(pretrain_steps=6, adapt_steps=6)
    first = ate.align.fit(*robots, preset=config, seed=3)
    other = config.with_options(**options)
    again, whole = ate.align.refit(first, *robots, preset=other), ate.align.fit(*robots, preset=other, seed=3)
    assert again.config == other and again.metrics == whole.metrics
    for name, value in whole.vae.state_dict().items():
        assert torch.equal(value, again.vae.state_dict()[name]), name
    assert any(not torch.equal(v, first.vae.state_dict()[n]) for n, v in again.vae.state_dict().items())


def test_refit_refuses_what_stage_one_would_have_seen(robots, tiny):
    first = ate.align.fit(*robots, preset=tiny.with_options(pretrain_steps=2, adapt_steps=2))
    with pytest.raises(InputError, match="other mmd_kernel"):
        ate.align.refit(first, *robots, preset=first.config.with_options(mmd_kernel="released"))
    with pytest.raises(InputError, match="other episodes"):
        ate.align.refit(first, robots[0], robots[1].select([0, 1, 2]), preset=first.config)
