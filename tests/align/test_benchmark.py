"""Variants share what they can, are evaluated by the same tests, and are summarised with the intervals of scipy."""

import json

import h5py
import numpy as np
import pytest
from click.testing import CliRunner
from scipy import stats

import ate.align
from ate.align.config import PRESETS, VARIANTS, preset
from ate.align.evaluate import benchmark, variants
from ate.align.evaluate.variants import train_variants, variant_configs
from ate.cli.align import benchmark as command
from ate.errors import InputError

TINY = preset("smoke").with_options(chunk=8, latent=8, feedforward=16, pretrain_steps=8, adapt_steps=6, batch=16)


def test_variants_are_the_presets_of_their_names():
    names = ["paper", "published", "released", "mixture", "anchored", "motion"]
    for variant in variant_configs(names, PRESETS["demo"]):
        assert variant.config == PRESETS["demo" if variant.name == "paper" else f"demo-{variant.name}"]
    (changed,) = variant_configs(["mixture:adapt_kl_weight=0.5,mixture_components=3"], TINY)
    assert changed.config == TINY.with_options(
        **{**VARIANTS["mixture"], "adapt_kl_weight": 0.5, "mixture_components": 3}
    )


@pytest.mark.parametrize(
    ("names", "where", "fix"),
    [
        (["papr"], "variant", "'paper'"),
        (["mixture:adapt_kl=1"], "variant 'mixture:adapt_kl=1'", "'adapt_kl_weight'"),
        (["mixture:adapt_kl_weight"], "variant 'mixture:adapt_kl_weight'", ""),
        (["paper", "paper"], "comparison", ""),
        (["untrained:latent=4"], "variant", ""),
        ([], "comparison", ""),
    ],
)
def test_mistyped_variants_are_refused(names, where, fix):
    with pytest.raises(InputError) as error:
        variant_configs(names, TINY)
    assert error.value.where == where and fix in error.value.fix


@pytest.mark.slow
def test_variants_that_agree_in_stage_one_train_it_once_and_are_read_back(robots, tmp_path, monkeypatch):
    trained = []
    whole = variants.fit
    monkeypatch.setattr(variants, "fit", lambda *a: trained.append(a[2]) or whole(*a))
    chosen = variant_configs(["paper", "mixture:mixture_components=2", "released", "one-stage", "untrained"], TINY)
    found = {variant.name: alignment for variant, alignment in train_variants(chosen, *robots, tmp_path, seed=1)}
    assert [config.mmd_kernel for config in trained] == ["multiscale", "released"]
    weights = {name: alignment.pretrain_vae.embed.weight for name, alignment in found.items()}
    for name in ("mixture:mixture_components=2", "one-stage", "untrained"):
        assert weights[name].equal(weights["paper"])
    assert not weights["released"].equal(weights["paper"])
    mixture = ate.align.fit(*robots, preset=chosen[1].config, seed=1)
    assert mixture.vae.embed.weight.equal(found["mixture:mixture_components=2"].vae.embed.weight)
    trained.clear()
    again = {variant.name: alignment for variant, alignment in train_variants(chosen, *robots, tmp_path, seed=1)}
    assert not trained
    for name, alignment in found.items():
        assert alignment.vae.embed.weight.equal(again[name].vae.embed.weight), name


def test_intervals_are_those_of_a_paired_t_test():
    rows = [
        {
            "robot": "r",
            "variant": variant,
            "seed": seed,
            "verdict": "inside",
            "correspondence": "corresponds",
            "precision": value,
        }
        for variant, values in (("paper", (0.2, 0.5, 0.6)), ("other", (0.3, 0.7, 0.65)))
        for seed, value in enumerate(values)
    ]
    paper, other = benchmark.over_seeds(rows)
    assert paper["verdict"] == "inside 3" and other["seeds"] == 3
    expected = stats.t.interval(0.95, 2, np.mean([0.3, 0.7, 0.65]), stats.sem([0.3, 0.7, 0.65]))
    assert other["precision"] - other["precision_±"] == pytest.approx(expected[0])
    test = stats.ttest_rel([0.3, 0.7, 0.65], [0.2, 0.5, 0.6]).confidence_interval(0.95)
    assert other["precision_to_paper"] - other["precision_to_paper_±"] == pytest.approx(test.low)
    assert other["precision_to_paper"] + other["precision_to_paper_±"] == pytest.approx(test.high)
    assert paper["precision_to_paper"] == 0 and paper["displacement"] is None
    # A number that is missing in one seed has no mean: the others would not be the same comparison.
    rows[0]["precision"] = None
    assert benchmark.over_seeds(rows)[0]["precision"] is None
    assert benchmark.over_seeds(rows)[1]["precision_to_paper"] is None


def recorded(folder, episodes):
    for item in episodes:
        folder.mkdir(parents=True, exist_ok=True)
        with h5py.File(folder / f"{item.name}.hdf5", "w") as handle:
            handle["qpos"] = item.qpos
            handle.attrs["robot"], handle.attrs["rate_hz"] = folder.name, 20.0
            handle.attrs["joint_names"] = np.array(episodes.joint_names, "S16")
    return str(folder)


@pytest.mark.slow
def test_the_command_evaluates_all_variants_and_a_second_time_reads_them_back(robots, tmp_path, monkeypatch):
    pretrain = [recorded(tmp_path / "pretrain" / episodes.robot, episodes) for episodes in robots[0]]
    adapt = recorded(tmp_path / "adapt", robots[1])
    arguments = [*(part for path in pretrain for part in ("--pretrain", path)), "--adapt", adapt, "--preset", "smoke"]
    arguments += ["--variants", "paper,untrained", "--seeds", "2", "--run", str(tmp_path / "run"), "--workers", "1"]
    done = CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    headline = json.loads((tmp_path / "run" / "headlines" / "benchmark.json").read_text())
    assert [row[1] for row in headline["variants"]["rows"]] == ["paper", "untrained"]
    assert len(headline["verdict"]) == 4 and (tmp_path / "run" / "report.html").exists()
    card = json.loads((tmp_path / "run" / "cards" / "benchmark.json").read_text())
    assert card["seeds"] == {"seeds": [0, 1]} and len(card["hashes"]) == 3
    monkeypatch.setattr(benchmark, "row_of", None)  # stored rows are not computed again
    again = CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert again.stdout == done.stdout
