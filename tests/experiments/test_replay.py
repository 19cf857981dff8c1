"""Replays: results are kept, policies are not; the same cell comes out again."""

from dataclasses import replace

import pytest

from ate.experiments.methods import lambda_clamp
from ate.experiments.replay import replay
from ate.experiments.seed_run import run_seed
from ate.steer import GuidanceConfig
from tests.methods import other

METHODS = lambda_clamp([2.0], [0.1], GuidanceConfig(energy_at="x_t"))


@pytest.fixture
def done(experiment, tmp_path):
    return list(run_seed(experiment, METHODS, 0, tmp_path / "aligned"))


@pytest.mark.slow
def test_a_cell_alone_is_the_cell_in_company(experiment, done, tmp_path):
    for result in done:
        again = replay(experiment, result, tmp_path)
        assert again.faithful and again.rollouts is None and again.result is result


@pytest.mark.slow
def test_a_result_of_another_machine_is_told(experiment, done, tmp_path):
    row = dict(done[1].loss[0])
    other = replace(done[1], loss=({**row, "loss": row["loss"] * (1 + 1e-6)}, *done[1].loss[1:]))
    assert not replay(experiment, other, tmp_path).faithful


@pytest.mark.slow
def test_budget_and_options_are_those_of_the_result(experiment, tmp_path):
    guidance = replace(METHODS[1].guidance, sign=-1, schedule="alpha")
    method = replace(METHODS[1], guidance=guidance)
    (result,) = run_seed(replace(experiment, steps=5, demonstrations=3), [method], 1, tmp_path / "aligned")
    assert replay(experiment, result, tmp_path).faithful
    forgot = other(result, sign=1)
    assert not replay(experiment, forgot, tmp_path).faithful
