import json
import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from ate.errors import InputError
from ate.experiments.export import tidy, write
from ate.experiments.methods import MethodSpec, comparison
from ate.experiments.settings import settings
from ate.experiments.stats.baseline import activity, baselines, saturation
from ate.experiments.stats.comparisons import differences
from ate.experiments.winner import save_winner, winner
from ate.experiments.winner_file import read_winner
from ate.steer import GuidanceConfig
from ate.steer.guidance_config import OPTIONS
from tests.methods import other
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
    assert {*OPTIONS, "start", "encoder", "cell"} <= set(frame)
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
    assert len(base) == 4 and all(r.is_baseline for r in base.values())
    scratch = next(r for r in results() if r.method == "scratch")
    assert not scratch.is_baseline and not other(scratch, "x").is_baseline


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
    alone = replace(other(runs[-1], "alone"), seconds=5.0)
    frame = tidy([*runs, alone])
    assert set(frame[frame.method != "alone"].trained_together) == {7}
    assert frame[frame.seed == 1].seconds.iloc[0] == pytest.approx(9 / 7)
    assert frame[frame.method == "alone"].seconds.item() == 5.0


def test_without_a_simulator_the_table_has_errors_and_no_rates():
    frame = tidy(results(simulator=False, seeds=2))
    assert frame[["successes", "rate", "difference", "closest"]].isna().all(axis=None)
    assert (frame.rollouts == 0).all() and (frame.held_out_error > 0).all()


def test_parquet_and_csv_hold_the_same_table(tmp_path):
    infinite = [other(r, clamp=math.inf) if r.clamp == 0.5 else r for r in one_kind(2)]
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
    tree = save_winner(runs, SMOKE, tmp_path / "winner.json")
    evidence = json.loads((tmp_path / "winner.json").read_text())["evidence"]
    assert evidence == tree["evidence"] and evidence["search"]["seeds"] == 3
    assert evidence["search"]["difference"] == pytest.approx(best.mean)
    assert evidence["chosen_among"] == 6 and evidence["verdict"] == best.verdict == "cannot tell"
    assert "Not shown to help" in evidence["statement"] and "no held-out seeds" in evidence["statement"]
    method = read_winner(tmp_path / "winner.json")
    cell = next(r for r in runs if r.method == best.method)
    assert method == replace(cell.spec, name="guidance at demonstrations")


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
    evidence = save_winner(runs, SMOKE, tmp_path / "x.json", held)["evidence"]
    assert evidence["verdict"] == verdict and words in evidence["statement"]
    assert "6 held-out seeds" in evidence["statement"] and evidence["search"]["seeds"] == 3
    (row,) = differences(held)
    assert evidence["held_out"]["interval_95"] == [row.low, row.high] and "search" in evidence
    with pytest.raises(InputError) as refused:
        save_winner(runs, SMOKE, tmp_path / "x.json", runs)
    assert refused.value.where == "held-out results"


def test_every_option_of_the_winner_travels(tmp_path):
    guidance = GuidanceConfig(1.5, math.inf, "x_t", "mean", "sample", "norm", "alpha", -1)
    method = MethodSpec("x", encoder="mixture", guidance=guidance)
    runs = [r for r in one_kind() if r.lam == 0]
    runs += [replace(r, spec=method) for r in one_kind() if (r.lam, r.clamp) == (0.5, 0.1)]
    save_winner(runs, SMOKE, tmp_path / "x.json")
    read = read_winner(tmp_path / "x.json")
    assert read == replace(method, name="guidance at demonstrations")
    guided, control = comparison(read.guidance, read.encoder, placed=False)[2:4]
    assert guided == read and control == replace(read, name="untrained encoder", encoder="random")
    taken = settings({"profile": "smoke", "winner": str(tmp_path / "x.json")})
    assert (taken.guidance, taken.encoder) == (guidance, "mixture")


@pytest.mark.parametrize("broken", ["regimes", "rollouts", "baseline"])
def test_what_has_no_winner_is_refused(tmp_path, broken):
    runs = {
        "regimes": cells(),
        "rollouts": [replace(r, success=()) for r in one_kind()],
        "baseline": [r for r in one_kind() if r.lam],
    }[broken]
    with pytest.raises(InputError) as refused:
        save_winner(runs, SMOKE, tmp_path / "x.json")
    assert refused.value.where in ("results to choose a winner from", "results to compare")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("encoder", "guidance", "got"),
    [
        ("aligned", {"sgin": 1}, "'sgin'"),
        ("aligned", {"lam": True}, "True"),
        ("aligned", {"lam": "two"}, "'two'"),
        ("aligned", {"lam": 0}, "encoder 'aligned' with λ = 0"),
        ("aligned", {"lam": -1}, "-1.0"),
        ("aligned", {"lam": math.inf}, "inf"),
        ("aligned", {"lam": math.nan}, "nan"),
        ("aligned", {"clamp": None}, "None"),
        ("aligned", {"sign": 2}, "'2'"),
        ("aligned", {"reduction": "sums"}, "'sums'"),
        ("alined", {}, "'alined'"),
        ("random", {}, "'random'"),
        (None, {}, "guidance"),
        ("aligned", None, "encoder"),
    ],
)
def test_winners_that_cannot_be_meant_are_refused(tmp_path, encoder, guidance, got):
    tree = {name: value for name, value in (("encoder", encoder), ("guidance", guidance)) if value is not None}
    refused_winner(tmp_path, json.dumps(tree), got)


@pytest.mark.parametrize(("content", "got"), [("[1]", "list"), ("{}", "no field")])
def test_files_that_hold_no_winner_are_refused(tmp_path, content, got):
    refused_winner(tmp_path, content, got)


def test_a_file_that_is_no_json_is_refused(tmp_path):
    (tmp_path / "winner.json").write_text("{")
    with pytest.raises(InputError) as refused:
        read_winner(tmp_path / "winner.json")
    assert refused.value.where == f"winner file {tmp_path / 'winner.json'}"


def refused_winner(folder, content, got):
    file = folder / "winner.json"
    file.write_text(content)
    for read in (read_winner, lambda file: settings({"profile": "smoke", "winner": str(file)})):
        with pytest.raises(InputError) as refused:
            read(file)
        assert refused.value.got == got and str(file) in refused.value.where


def test_a_study_takes_the_winner_and_what_is_given_with_it_counts(tmp_path):
    file = tmp_path / "winner.json"
    winning = GuidanceConfig(lam=0.25, energy_at="x_t", sign=-1)
    file.write_text(json.dumps({"encoder": "mixture", "guidance": winning.to_dict(), "evidence": {"seeds": 3}}))
    taken = settings({"profile": "smoke", "winner": str(file)})
    assert (taken.guidance, taken.encoder) == (winning, "mixture")
    mixed = settings({"profile": "smoke", "winner": str(file), "lam": 3})
    assert mixed.guidance == replace(winning, lam=3.0) and f"winner={file}" in mixed.arguments("03")
    here = settings({"profile": "smoke", "winner": str(file), "energy_at": "x0_hat"})
    assert here.guidance == replace(winning, energy_at="x0_hat")
    with pytest.raises(InputError) as refused:
        settings({"profile": "smoke", "winner": str(tmp_path / "absent.json")})
    assert refused.value.got == "no such file"
