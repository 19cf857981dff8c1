"""Policies of finished cells: kept bit for bit, and trained again to the same bits where they were not."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from ate.experiments.answer import leading
from ate.experiments.dispatch import JobSpec, run
from ate.experiments.executors import Executor
from ate.experiments.kept_policies import are_kept, policy_lines, seed_run
from ate.experiments.methods import MethodSpec, lambda_clamp
from ate.experiments.replay import replay
from ate.experiments.seed_run import train_seed
from ate.policies import Policy
from ate.steer import GuidanceConfig
from tests.viz.samples import cells

METHODS = (*lambda_clamp([2.0], [0.1], GuidanceConfig(energy_at="x_t")), MethodSpec("from scratch", start="scratch"))
HERE = Executor.parse("here", 1)


@pytest.fixture
def done(experiment, tmp_path):
    return list(run([JobSpec(experiment, METHODS, (0, 1))], tmp_path, HERE, keep=True).whole())


def weights(policy):
    return torch.cat([value.flatten() for value in policy.state_dict().values()])


def of_seed(results, seed):
    return [result for result in results if result.seed == seed]


@pytest.mark.slow
def test_what_is_read_back_is_what_was_trained(experiment, done, tmp_path):
    assert len(list((tmp_path / "policies").glob("*.safetensors"))) == len(done) == 6
    kept, trained = seed_run(experiment, of_seed(done, 1), tmp_path), train_seed(experiment, METHODS, 1, None)
    assert kept.kept and not trained.kept and list(kept.trained) == list(trained.trained)
    assert kept.drawn.digest == trained.drawn.digest and kept.held_out.digest == trained.held_out.digest
    for name, own in trained.trained.items():
        assert torch.equal(weights(kept.trained[name].policy), weights(own.policy))
        assert kept.trained[name].loss == own.loss and kept.trained[name].meter == own.meter
        assert torch.equal(weights(kept.starts[name]), weights(trained.starts[name]))
    spread, again = kept.spread(), trained.spread()
    assert all((spread[name] == again[name]).all() for name in spread)


@pytest.mark.slow
def test_a_policy_that_was_not_kept_is_trained_again(experiment, done, tmp_path):
    results = of_seed(done, 0)
    file = tmp_path / "policies" / f"{results[1].cell[:16]}.safetensors"
    before = weights(Policy.load(file))
    file.unlink()
    assert not are_kept(results, tmp_path) and are_kept(results[:1], tmp_path)
    again = seed_run(experiment, results, tmp_path)
    assert not again.kept and torch.equal(weights(again.trained[results[1].method].policy), before)
    assert replay(experiment, results[0], tmp_path).kept and not replay(experiment, results[1], tmp_path).kept
    # A result of no cell has no policy.
    assert not are_kept([replace(results[0], cell="")], tmp_path)


@pytest.mark.slow
def test_nothing_is_kept_unless_it_is_asked_for(experiment, tmp_path):
    run([JobSpec(experiment, METHODS[:1], (0,))], tmp_path, HERE)
    assert not (tmp_path / "policies").exists() and list((tmp_path / "cells").iterdir())


def test_a_comparison_says_where_the_policy_of_its_answer_is(tmp_path):
    results = [replace(r, cell=f"{i:064x}") for i, r in enumerate(cells()) if r.parameterization == "sample"]
    method, directory = leading(results), SimpleNamespace(directory=tmp_path)
    study = SimpleNamespace(settings=directory, adapt=SimpleNamespace(robot="ur5e"))
    assert policy_lines(study, results) == []
    (first,) = [r for r in results if (r.method, r.seed) == (method, 0)]
    file = tmp_path / "results" / "policies" / f"{first.cell[:16]}.safetensors"
    file.parent.mkdir(parents=True)
    file.touch()
    line, hint = policy_lines(study, results)
    assert str(file) in line and method in line and "ate rollout --policy FILE --robot ur5e" in hint
