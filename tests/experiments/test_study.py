"""A study's comparisons, ablation and sweeps share their cells; the command says what it found and what failed."""

from dataclasses import replace

import pytest
from click.testing import CliRunner

from ate.align import Alignment
from ate.cli.compare import sweep as sweep_command
from ate.data import load
from ate.data.placements import KinematicsUnknown
from ate.experiments import RunResult, Sweep
from ate.experiments.dispatch import CellsFailed, SweepResult
from ate.experiments.methods import DIRECT
from ate.experiments.settings import at_demonstrations, settings
from ate.experiments.study import Study, prepare, sweep_of
from ate.runs.directory import RunDirectory


@pytest.fixture
def study(world, tmp_path):
    """Of the small world, without its `prepare`."""
    chosen = settings(
        {"profile": "smoke", "run": str(tmp_path), "pretrain": str(world / "old"), "adapt": str(world / "new"),
         "held_out": 0.25, "demonstrations": 4, "steps": 3, "batch": 8, "lams": "2", "clamps": "0.1", "seeds": 1,
         "ablation_seeds": 1, "validation_seeds": 1, "parameterizations": "sample", "executor": "here",
         "energy_at": "x_t"}
    )  # fmt: skip
    policies = {"sample": world / "policy.safetensors"}
    alignment = Alignment.load(world / "align")
    return Study(chosen, (load(world / "old"),), load(world / "new"), alignment, world / "align", policies)


def cells(study):
    return sorted(file.name for file in (study.settings.directory / "results" / "cells").iterdir())


@pytest.mark.slow
def test_comparison_and_ablation_share_their_cells(study):
    grid = study.ablate()
    assert [r.method for r in grid] == [DIRECT, "λ=2, c=0.1, energy at x_t"] and len(cells(study)) == 2
    compared = study.compare()
    # Direct and the guided method are the grid's; scratch and the control are new.
    assert [r.method for r in compared] == [
        DIRECT,
        "scratch",
        "guidance at demonstrations",
        "untrained encoder",
    ] and len(cells(study)) == 4
    assert compared[0] == grid[0] and compared[2].cell == grid[1].cell
    # Without rollouts there is no winner to validate.
    assert study.validate(grid) == [] and len(cells(study)) == 4


@pytest.mark.slow
def test_more_demonstrations_than_there_are_mean_all_of_them(study):
    described = sweep_of(study.settings).with_options({"demonstrations": "4,5,6,50"}, "here")
    assert [s.demonstrations for s in study.regimes_of(described)] == [4, 5, 6]
    found = study.sweep(described).whole()
    assert [(r.demonstrations, r.method) for r in found] == [
        (n, method) for n in (4, 5, 6) for method in (DIRECT, "λ=2, c=0.1, energy at x_t")
    ]


def test_the_winner_is_confirmed_on_seeds_of_its_own(study, monkeypatch):
    """Of each setting its own winner and λ = 0, on the seeds after those of the search."""
    described = Sweep((0.5, 2.0), (0.1,), ("sample",), (4, 5), (3,), seeds=2, validate=3)
    best = {4: "λ=0.5, c=0.1", 5: "λ=2, c=0.1"}
    searched = [
        RunResult(spec=method, seed=seed, parameterization="sample", demonstrations=count,
                  success=(True, method.name == best[count]), closest=(0.1, 0.1), loss=(), meter=(), open_loop={},
                  seconds=1.0, steps=3)
        for count in (4, 5) for method in described.methods for seed in (0, 1)
    ]  # fmt: skip
    asked = []
    monkeypatch.setattr("ate.experiments.study.run", lambda requests, *_: asked.extend(requests) or SweepResult((), ()))
    monkeypatch.setattr("ate.experiments.study.simulated", lambda *_: True)
    study.validate_sweep(described, searched)
    assert [(r.experiment.demonstrations, [a.name for a in r.methods], r.seeds) for r in asked] == [
        (count, [DIRECT, best[count]], (2, 3, 4)) for count in (4, 5)
    ]
    # From start situations that the search has not seen either.
    assert {r.experiment.first_rollout for r in asked} == {study.settings.rollouts}
    asked.clear()
    study.validate_sweep(described.with_options({"validate": 0}, "here"), searched)
    assert asked == []


@pytest.mark.slow
def test_the_command_reports_each_setting_and_what_failed(study, monkeypatch, tmp_path):
    monkeypatch.setattr("ate.experiments.study.prepare", lambda chosen: study)
    file = tmp_path / "sweep.yaml"
    file.write_text("lams: [0.5, 2]\nseeds: 1\nsteps: [3, 4]\n")
    given = [str(file), "--profile", "smoke", "--run", str(tmp_path), "--adapt", study.settings.adapt,
             "--axis", "demonstrations=4", "--clamps", "0.1,inf", "--axis", "parameterization=sample",
             "--axis", "energy_at=x_t"]  # fmt: skip
    told = CliRunner().invoke(sweep_command, given)
    assert told.exit_code == 0, told.output
    assert "new, None: 10 cells" in told.output
    assert "sample, 4 demonstrations, 3 steps" in told.output and "sample, 4 demonstrations, 4 steps" in told.output
    assert "λ=0.5, c=∞, energy at x_t" in told.output
    keys = ["sweep-sample-4x3", "sweep-sample-4x4"]
    run = RunDirectory(tmp_path)
    assert list(run.headlines()) == list(run.cards()) == keys
    assert run.headlines()[keys[0]]["title"] == "Sweep: sample, 4 demonstrations, 3 steps"
    # Without a simulator there is nothing to colour a grid by; what the meter read is there all the same.
    assert [figure["name"] for figure in run.figures()] == [
        f"{key}_{place}" for key in keys for place in ("01_meter_grid", "02_cost", "03_parallel_coordinates")
    ]
    assert f"report: {tmp_path / 'report.html'}" in told.output and (tmp_path / "cells.csv").exists()
    assert keys[1] in (tmp_path / "report.html").read_text()
    # One cell whose file is another's: refused by name. One that cannot be trained: told, exit code 1, the rest shown.
    import ate.experiments.store

    taken = ate.experiments.store.run_seed

    def run_seed(experiment, methods, seed, aligned, stacked=False, keep=None):
        if any(method.guidance.lam == 3 for method in methods):
            raise FloatingPointError("it diverged")
        return taken(experiment, methods, seed, aligned, stacked, keep)

    monkeypatch.setattr(ate.experiments.store, "run_seed", run_seed)
    told = CliRunner().invoke(sweep_command, [*given, "--lams", "0.5,3", "--clamps", "0.1"])
    assert told.exit_code == 1
    assert "failed: λ=3, c=0.1, energy at x_t, seed 0: FloatingPointError: it diverged" in told.output
    page = (tmp_path / "report.html").read_text()
    assert "λ=3, c=0.1, energy at x_t" in page and "FloatingPointError: it diverged" in page
    assert "2 cells have no result; to try them again: ate" in told.output and "λ=0.5, c=0.1" in told.output


def test_a_comparison_is_whole_or_says_what_is_missing(study, monkeypatch):
    monkeypatch.setattr("ate.experiments.store.run_seed", lambda *_: 1 / 0)
    with pytest.raises(CellsFailed, match="4 of 4 cells have no result"):
        study.compare()
    with pytest.raises(CellsFailed, match="2 of 2"):
        replace(study, settings=replace(study.settings, lams=(1.0,))).ablate()


@pytest.mark.slow
def test_robots_without_kinematics_get_guidance_at_the_demonstrations(world, tmp_path):
    """The study says so, and its comparison and its sweep hold nothing that retargets."""
    given = {
        "profile": "smoke", "run": str(tmp_path), "pretrain": str(world / "old"), "adapt": str(world / "new"),
        "pretrain_steps": 2, "parameterizations": "sample", "workers": 1, "horizon": 8, "held_out": 0.25,
    }  # fmt: skip
    with pytest.warns(KinematicsUnknown, match="old, new: guidance at the demonstrations"):
        study = prepare(settings(given))
    usual = settings({**given, "observations": "demonstrations"})
    assert study.settings == usual and not study.tool_policies and not study.placed
    methods = [*study.methods(), *sweep_of(study.settings).methods]
    assert {method.replay for method in methods} == {"none"} and {method.space for method in methods} == {"joints"}
    assert at_demonstrations(settings({**given, "lams": "7"})).lams == (7.0,)
