"""Evidence: runs of the evidence methods by regime and study, as tables; and each run by itself."""

import random
import re

import pytest
from click.testing import CliRunner

from ate.cli.evidence import evidence as command
from ate.errors import InputError
from ate.experiments.evidence import METHODS, complete, measured, pairs, pooled_table, studies_of, study_table
from ate.experiments.methods import MethodSpec, comparison, controls, evidence
from ate.experiments.results import RunResult
from ate.runs.files import read_json, write_json
from ate.steer import GuidanceConfig


def result(method, seed, rate, demonstrations=25, steps=80):
    success = tuple(i < round(rate * 20) for i in range(20))
    known = {spec.name: spec for spec in (*controls(), *evidence())}
    guided = {"encoder": "random", "guidance": GuidanceConfig()} if "random" in method else {}
    spec = known.get(method) or MethodSpec(method, **guided)
    return RunResult(spec, seed, "sample", demonstrations, success, (0.1,) * 20, (), (), {}, 0.0, steps)


def keep(run, results):
    for index, item in enumerate(results):
        write_json(run / "results" / "cells" / f"{index}.json", item.to_tree())


@pytest.fixture
def runs(tmp_path):
    """Two studies; in both `scratch` fails always, the rest succeeds half of the time or a little more."""
    for place in ("lift-ur5e", "push-ur5e"):
        rates = {method: 0.5 + 0.05 * (index % 2) for index, method in enumerate(METHODS)} | {"scratch": 0.0}
        results = [
            result(m, seed, rate + 0.05 * (seed % 2) * (rate > 0)) for m, rate in rates.items() for seed in range(3)
        ]
        keep(
            tmp_path / place, results + [result(m, 0, rate, 5, 600) for m, rate in rates.items() if m != "untranslated"]
        )
    return [tmp_path / "lift-ur5e", tmp_path / "push-ur5e"]


def test_results_are_sorted_by_regime_and_study(runs):
    groups = studies_of(runs)
    assert list(groups) == [(25, 80), (5, 600)]
    assert list(groups[(25, 80)]) == ["lift-ur5e diffusion", "push-ur5e diffusion"]
    assert all(complete(results) == (results, {}) for results in groups[(25, 80)].values())
    assert all(complete(results) == ([], {"untranslated": 1}) for results in groups[(5, 600)].values())
    # With 25 demonstrations the comparison's own methods are enough; with 5 its closest controls are asked for too.
    few = {m.name for m in comparison()} - {"untrained encoder"}
    (results,) = (r for name, r in groups[(25, 80)].items() if "lift" in name)
    kept, lacking = complete([r for r in results if r.method in few])
    assert {r.method for r in kept} == few and not lacking
    short = [r for r in results if r.method in few and not (r.method == "retarget" and r.seed)]
    assert complete(short) == ([], {"retarget": 2})
    later = studies_of(runs, first_seed=2)[(25, 80)]
    assert {r.seed for results in later.values() for r in results} == {2}


def test_tables_have_a_row_for_every_study_and_pair(runs):
    regime = measured(studies_of(runs)[(25, 80)])
    table = study_table(regime).splitlines()
    assert len(table) == 2 + 2 and {line.count("|") for line in table} == {len(METHODS) + 2}
    rows = [[part.strip() for part in line.split("|")[1:-1]] for line in pooled_table(regime).splitlines()[2:]]
    assert [(row[0], row[1]) for row in rows] == list(pairs(METHODS))
    assert {("tool-motion guidance", "untrained encoder"), ("retarget", "untranslated")} <= set(pairs(METHODS))
    (scratch,) = (row for row in rows if row[0] == "scratch")
    assert scratch[-1] == "hurts" and scratch[3] == "0 of 2"


@pytest.mark.slow
def test_methods_that_only_one_study_has_are_pooled_over_that_one(runs):
    studies = studies_of(runs)[(25, 80)]
    name = next(iter(studies))
    some = {**studies, name: [r for r in studies[name] if r.method != "identified kinematics"]}
    regime = measured(some)
    rows = [[part.strip() for part in line.split("|")[1:-1]] for line in pooled_table(regime).splitlines()[2:]]
    (row,) = (row for row in rows if row[:2] == ["identified kinematics", "direct"])
    assert row[3].endswith("of 1")
    # A table of studies for methods that all have, and a row of its own for the one that some have.
    all_have, _, some_have = study_table(regime).split("\n\n")
    assert len(all_have.splitlines()) == 4 and "identified kinematics" not in all_have
    (line,) = (line for line in some_have.splitlines()[2:])
    assert line.startswith("| identified kinematics |") and name not in some_have


def test_controls_that_have_not_ended_are_left_out_and_named(tmp_path):
    """The numbers are those of the study without them: unfinished controls neither enter it nor drop it."""
    finished = [result(m.name, s, 0.4 + 0.1 * (s % 2), 5, 600) for m in evidence() for s in range(3)]
    further = [m.name for m in controls() if m.name not in {r.method for r in finished}]
    keep(tmp_path / "alone" / "lift-gen3", finished)
    # Of the controls one seed of three; and a seed more of one that has ended.
    keep(tmp_path / "more" / "lift-gen3", [*finished, *(result(name, 1, 0.3, 5, 600) for name in further[1:])])
    ended = [result(further[0], s, 0.2 + 0.1 * (s % 2), 5, 600) for s in range(4)]
    keep(tmp_path / "ended" / "lift-gen3", [*finished, *ended])
    numbers = {}
    for name in ("alone", "more", "ended"):
        done = CliRunner().invoke(command, [str(tmp_path / name / "lift-gen3"), "--json", str(tmp_path / "e.json")])
        assert done.exit_code == 0, done.output
        (numbers[name],) = read_json(tmp_path / "e.json")
        left_out = dict(re.findall(r"'([^']+)' (\d+)", done.stderr))
        assert left_out == (dict.fromkeys(further[1:], "2") if name == "more" else {})
    assert numbers["more"] == numbers["alone"] and numbers["ended"]["seeds"] == [3]
    (study,) = numbers["ended"]["studies"]
    assert study["methods"].keys() == {*numbers["alone"]["studies"][0]["methods"], further[0]}


def test_numbers_are_not_written_over_where_no_study_is_complete(tmp_path):
    keep(tmp_path / "lift-gen3", [result("direct", 0, 0.5, 5, 600)])
    (tmp_path / "e.json").write_text("kept")
    done = CliRunner().invoke(command, [str(tmp_path / "lift-gen3"), "--json", str(tmp_path / "e.json")])
    assert isinstance(done.exception, InputError) and "retarget" in done.stderr
    assert (tmp_path / "e.json").read_text() == "kept"


def test_the_command_prints_the_complete_groups_and_names_the_rest(runs):
    done = CliRunner().invoke(command, [str(run) for run in runs])
    assert done.exit_code == 0, done.output
    assert re.findall(r"^## (.*)$", done.stdout, re.M) == ["25 demonstrations, 80 steps, 3 seeds a study"]
    assert done.stderr.count("5 demonstrations, 600 steps: left out as a whole") == 2


@pytest.mark.slow
def test_the_numbers_are_kept_as_json_from_which_the_same_tables_come(runs, tmp_path):
    file = tmp_path / "evidence.json"
    done = CliRunner().invoke(command, [*map(str, runs), "--json", str(file)])
    assert done.exit_code == 0, done.output
    (regime,) = read_json(file)
    assert (regime["demonstrations"], regime["steps"], regime["seeds"]) == (25, 80, [3])
    assert study_table(regime) in done.stdout and pooled_table(regime) in done.stdout
    scratch = regime["studies"][0]["methods"]["scratch"]
    assert scratch["rate"] == 0.0 and scratch["low"] < scratch["mean"] < scratch["high"] < 0
    # One training seed has no interval: JSON has no infinity.
    single = measured(studies_of(runs, first_seed=2)[(25, 80)])
    assert single["pooled"][0]["low"] is None and "−inf" in pooled_table(single)


def test_studies_of_runs_that_are_gone_are_pooled_by_their_intervals(runs, tmp_path):
    """The studies are those of both runs; rows to direct are of both, those to a control are kept or refused."""
    rng = random.Random(0)
    few = [m.name for m in comparison() if m.name != "untrained encoder"]
    for run in runs:
        own = [result(name, seed, rng.uniform(0.3, 0.7)) for name in few for seed in range(4)]
        keep(tmp_path / "few" / run.name, own)
    first, second = (tmp_path / "few" / run.name for run in runs)
    kept, file = tmp_path / "kept.json", tmp_path / "both.json"
    invoke = CliRunner().invoke
    assert invoke(command, [str(first), "--json", str(kept)]).exit_code == 0
    done = invoke(command, [str(second), "--kept", str(kept), "--json", str(file)])
    assert done.exit_code == 0, done.output
    (joint,) = read_json(file)
    (whole,) = [measured(studies_of([first, second])[(25, 80)])]
    assert joint["studies"] == whole["studies"] and joint["seeds"] == [4]
    assert study_table(joint) in done.stdout
    for row, straight in zip(joint["pooled"], whole["pooled"], strict=True):
        assert [row[k] for k in ("method", "against", "above", "studies")] == [
            straight[k] for k in ("method", "against", "above", "studies")
        ]
        assert row["mean"] == pytest.approx(straight["mean"])
        # Intervals of studies are over start situations too.
        assert row["low"] <= straight["low"] < straight["high"] <= row["high"]
    # The same study again takes the place of the one that is kept; a regime that only one of both has stays.
    again = invoke(command, [str(first), "--kept", str(file), "--json", str(tmp_path / "again.json")])
    assert again.exit_code == 0 and read_json(tmp_path / "again.json") == [joint]
    write_json(kept, [{**joint, "steps": 600}])
    other = invoke(command, [str(first), "--kept", str(kept), "--json", str(tmp_path / "other.json")])
    assert other.exit_code == 0 and [r["steps"] for r in read_json(tmp_path / "other.json")] == [600, 80]
    # A control that both have can't be pooled by what is kept.
    assert invoke(command, [str(runs[0]), "--json", str(kept)]).exit_code == 0
    refused = invoke(command, [str(runs[1]), "--kept", str(kept)])
    assert isinstance(refused.exception, InputError) and "'tool-motion guidance' against" in str(refused.exception)
    # One whose studies are all among the runs is theirs alone; the other study has no such control.
    write_json(kept, [{**regime, "studies": [*regime["studies"], joint["studies"][1]]} for regime in read_json(kept)])
    again = invoke(command, [str(runs[0]), "--kept", str(kept), "--json", str(tmp_path / "whole.json")])
    assert again.exit_code == 0, again.output
    both, alone = (
        {(row["method"], row["against"]): row for row in read_json(tmp_path / name)[0]["pooled"]}
        for name in ("whole.json", "kept.json")
    )
    assert both.keys() == alone.keys()
    assert all(both[pair] == alone[pair] for pair in both if pair[1] != "direct")
    assert both["retarget", "direct"]["studies"] == 2 != alone["retarget", "direct"]["studies"]


def test_each_run_by_itself_compares_what_it_holds_on_later_seeds(tmp_path):
    rates = {"direct": 0.5, "λ=1": 0.55, "λ=1, random": 0.5}
    keep(tmp_path, [result(m, seed, rate + 0.05 * (seed % 2)) for m, rate in rates.items() for seed in range(6)])
    done = CliRunner().invoke(command, [str(tmp_path), "--each", "--first-seed", "4"])
    assert done.exit_code == 0 and "of 40" in done.stdout  # two seeds of twenty rollouts
    assert "λ=1 against direct" in done.stdout and "λ=1 against λ=1, random" in done.stdout
    none = CliRunner().invoke(command, [str(tmp_path), "--each", "--first-seed", "6"])
    assert isinstance(none.exception, InputError)
    assert isinstance(CliRunner().invoke(command, [str(tmp_path), "--first-seed", "6"]).exception, InputError)
