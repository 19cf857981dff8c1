import json
import math
from dataclasses import asdict, replace

import numpy as np
import pandas as pd
import pytest

from ate.errors import InputError
from ate.experiments.export import options, read_preset, save_preset, spec, tidy, winner, write
from ate.experiments.methods import MethodSpec, comparison
from ate.experiments.settings import settings
from ate.experiments.stats.baseline import activity, baselines, is_baseline, saturation
from ate.experiments.stats.comparisons import differences
from ate.steer import GuidanceConfig
from tests.viz.samples import cells, results

SMOKE = settings({"profile": "smoke"})


def one_kind(seeds=3):
    return [r for r in cells(seeds) if r.parameterization == "sample"]


def test_a_row_a_cell_and_seed_with_the_difference_to_its_own_baseline():
    runs = one_kind()
    frame = tidy(runs)
    assert len(frame) == len(runs) == 7 * 3
    rate = {(r.method, r.seed): np.mean(r.success) for r in runs}
    for row in frame.itertuples():
        assert row.rate == pytest.approx(rate[row.method, row.seed]) == row.successes / row.rollouts
        if row.method == "direct":
            assert math.isnan(row.difference) and math.isnan(row.saturation) and row.guidance == "none"
        else:
            assert row.difference == pytest.approx(rate[row.method, row.seed] - rate["direct", row.seed])
            assert row.guidance in ("acting", "clamp-dominated")
    assert {"lam", "clamp", "sign", "energy", "at", "bound", "schedule", "latent", "start", "cell"} <= set(frame)
    # What the statistics average is what the table holds.
    gaps = {d.method: d.mean for d in differences(runs)}
    assert frame.groupby("method").difference.mean().drop("direct").to_dict() == pytest.approx(gaps)


def test_baselines_are_of_the_same_budget_and_never_from_scratch():
    runs = one_kind(2)
    longer = [replace(r, steps=100, success=(True,) * 10) for r in runs if r.method == "direct"]
    frame = tidy([*runs, *longer, *(r for r in results(seeds=2) if r.method == "scratch")])
    assert frame[frame.steps == 100].difference.isna().all()
    scratch = frame[frame.method == "scratch"]
    # Of the other parameterisation there is no baseline here, so there is nothing to subtract.
    assert scratch.difference.notna().tolist() == (scratch.parameterization == "sample").tolist()
    base = baselines([*runs, *longer])
    assert len(base) == 4 and all(is_baseline(r) for r in base.values())
    scratch = next(r for r in results() if r.method == "scratch")
    assert not is_baseline(scratch) and not is_baseline(replace(scratch, method="x", spec={"start": "scratch"}))


def test_the_meter_in_two_numbers():
    run = next(r for r in one_kind() if r.lam == 2)
    assert saturation(run) == pytest.approx(sum(row["clamped"] for row in run.meter) / 10)
    assert activity(run) == pytest.approx(np.prod([row["ratio"] for row in run.meter]) ** 0.1)
    direct = next(r for r in one_kind() if r.lam == 0)
    assert saturation(direct) is activity(direct) is None
    silent = replace(run, meter=({"t_low": 0, "t_high": 1, "ratio": 0.0, "clamped": 0.0},))
    assert activity(silent) == pytest.approx(1e-6)


def test_methods_that_shared_a_training_share_its_seconds():
    runs = [replace(r, seconds=8.0 + r.seed) for r in one_kind(2)]
    alone = replace(runs[-1], seconds=5.0, method="alone")
    frame = tidy([*runs, alone])
    assert set(frame[frame.method != "alone"].trained_together) == {7}
    assert frame[frame.seed == 1].seconds.iloc[0] == pytest.approx(9 / 7)
    assert frame[frame.method == "alone"].seconds.item() == 5.0


def test_without_a_simulator_the_table_has_errors_and_no_rates():
    frame = tidy(results(simulator=False, seeds=2))
    assert frame[["successes", "rate", "difference", "closest"]].isna().all(axis=None)
    assert (frame.rollouts == 0).all() and (frame.held_out_error > 0).all()


def test_parquet_and_csv_hold_the_same_table(tmp_path):
    infinite = [replace(r, clamp=math.inf) if r.clamp == 0.5 else r for r in one_kind(2)]
    frame = tidy(infinite)
    parquet, csv = write(frame, tmp_path)
    assert (parquet.name, csv.name) == ("cells.parquet", "cells.csv")
    pd.testing.assert_frame_equal(pd.read_parquet(parquet), frame)
    read = pd.read_csv(csv, keep_default_na=False, na_values=[""])
    assert list(read) == list(frame) and math.isinf(read.clamp.max())
    np.testing.assert_allclose(read.difference, frame.difference)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["cells.csv", "cells.parquet"]


def test_the_winner_is_written_with_its_evidence_and_read_back(tmp_path):
    runs = one_kind()
    best = max(differences(runs), key=lambda d: d.mean)
    assert winner(runs) == best
    tree = save_preset(runs, SMOKE, tmp_path / "winner.json")
    evidence = json.loads((tmp_path / "winner.json").read_text())["evidence"]
    assert evidence == tree["evidence"] and evidence["search"]["seeds"] == 3
    assert evidence["search"]["difference"] == pytest.approx(best.mean)
    assert evidence["chosen_among"] == 6 and evidence["verdict"] == best.verdict == "cannot tell"
    assert "Not shown to help" in evidence["statement"] and "no held-out seeds" in evidence["statement"]
    method = read_preset(tmp_path / "winner.json")
    cell = next(r for r in runs if r.method == best.method)
    assert (method.lam, method.clamp, method.encoder) == (cell.lam, cell.clamp, "aligned")


@pytest.mark.parametrize(
    ("points", "verdict", "words"),
    [(0.3, "helps", "does better"), (-0.3, "hurts", "plain fine-tuning"), (0.0, "cannot tell", "Not shown to help")],
)
def test_held_out_seeds_have_the_last_word(tmp_path, points, verdict, words):
    runs = one_kind()
    best, rng = winner(runs).method, np.random.default_rng(0)
    rates = {"direct": 0.5, best: 0.5 + points}
    held = [
        replace(r, seed=r.seed + 3, success=tuple(rng.random(100) < rates[r.method]))
        for r in one_kind(6)
        if r.method in rates
    ]
    evidence = save_preset(runs, SMOKE, tmp_path / "x.json", held)["evidence"]
    assert evidence["verdict"] == verdict and words in evidence["statement"]
    assert "6 held-out seeds" in evidence["statement"] and evidence["search"]["seeds"] == 3
    (row,) = differences(held)
    assert evidence["held_out"]["interval_95"] == [row.low, row.high] and "search" in evidence
    with pytest.raises(InputError, match="seeds that the search has not seen"):
        save_preset(runs, SMOKE, tmp_path / "x.json", runs)


def test_every_option_of_the_winner_travels(tmp_path):
    method = MethodSpec("x", encoder="mixture", guidance=GuidanceConfig(lam=1.5, clamp=math.inf, sign=-1, reduction="mean", energy_at="x0_hat", clip="norm", schedule="alpha", latent="sample"))  # fmt: skip
    runs = [r for r in one_kind() if r.lam == 0] + [
        replace(r, method="x", encoder="mixture", lam=1.5, clamp=math.inf, spec=asdict(method))
        for r in one_kind()
        if (r.lam, r.clamp) == (0.5, 0.1)
    ]
    save_preset(runs, SMOKE, tmp_path / "x.json")
    read = read_preset(tmp_path / "x.json")
    assert read == replace(method, name="ATE")
    ate, control = comparison(read.lam, read.clamp, **options(read))[2:]
    assert ate == read and control == replace(read, name="random encoder", encoder="random")
    assert spec(runs[-1])["schedule"] == "alpha"


@pytest.mark.parametrize("broken", ["budgets", "rollouts", "baseline"])
def test_what_has_no_winner_is_refused(tmp_path, broken):
    runs = {
        "budgets": cells(),
        "rollouts": [replace(r, success=()) for r in one_kind()],
        "baseline": [r for r in one_kind() if r.lam],
    }[broken]
    with pytest.raises(InputError, match=r"one budget|without rollouts|'direct' among them"):
        save_preset(runs, SMOKE, tmp_path / "x.json")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('{"lam": 1, "clamp": 0.1, "sgin": 1}', "did you mean 'sign'"),
        ('{"lam": 1}', "no 'clamp'"),
        ('{"lam": true, "clamp": 1}', "a number above 0"),
        ('{"lam": "2", "clamp": 1}', "a number above 0"),
        ('{"lam": 0, "clamp": 1}', "a number above 0"),
        ('{"lam": Infinity, "clamp": 1}', "a number above 0"),
        ('{"lam": NaN, "clamp": 1}', "a number above 0"),
        ('{"lam": 1, "clamp": null, "sign": 2}', "1 or -1"),
        ('{"lam": 1, "clamp": null, "energy": "sums"}', "did you mean 'sum'"),
        ('{"lam": 1, "clamp": null, "encoder": "random"}', "valid names are aligned"),
        ("[1]", "one JSON object"),
        ("{", "one JSON object"),
    ],
)
def test_presets_that_cannot_be_meant_are_refused(tmp_path, content, words):
    (tmp_path / "p.json").write_text(content)
    with pytest.raises(InputError, match=words):
        read_preset(tmp_path / "p.json")
    with pytest.raises(InputError, match=words):
        settings({"profile": "smoke", "steer": str(tmp_path / "p.json")})


def test_a_study_takes_the_preset_and_what_is_given_beside_it_wins(tmp_path):
    file = tmp_path / "p.json"
    file.write_text('{"lam": 0.25, "clamp": null, "sign": -1, "evidence": {"seeds": 3}}')
    taken = settings({"profile": "smoke", "steer": str(file)})
    assert (taken.lam, taken.clamp) == (0.25, math.inf) and taken.guidance["sign"] == -1
    mixed = settings({"profile": "smoke", "steer": str(file), "lam": 3})
    assert (mixed.lam, mixed.clamp, mixed.guidance["sign"]) == (3.0, math.inf, -1)
    assert (taken.at, mixed.guidance["at"]) == ("noised", "noised")
    assert settings({"profile": "smoke", "steer": str(file), "energy_at": "x0_hat"}).guidance["at"] == "estimate"
    assert SMOKE.guidance == {"energy_at": "x0_hat"} and "-p steer=" in mixed.command("03")
    with pytest.raises(InputError, match="no such file"):
        settings({"profile": "smoke", "steer": str(tmp_path / "absent.json")})
