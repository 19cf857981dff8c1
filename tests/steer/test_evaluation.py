"""Evaluation: deterministic, in the units it says, refused where it cannot be had."""

import numpy as np
import pytest
import torch

from ate.errors import InputError
from ate.policies import build
from ate.steer import Evaluation, open_loop
from ate.steer.evaluation import denoised_error, open_loop_by_episode


@pytest.fixture
def setting(make_set):
    new = make_set("new", joints=4)
    return build([new], 8, seed=0, hidden=16), new


def test_the_error_is_that_of_the_joints_that_move(setting, monkeypatch):
    """A policy that answers 0 everywhere errs by the mean size of the normalised actions."""
    policy, new = setting
    monkeypatch.setattr(policy, "denoise", lambda observation, mask, generator: torch.zeros(len(observation), 8, 5))
    space = policy.spaces[0]
    low, high = space.decode(torch.full((1, 8, 5), -1.0)).numpy(), space.decode(torch.full((1, 8, 5), 1.0)).numpy()
    units = (high - low).mean((0, 1)) / 2  # of a joint, per normalised unit
    by_joint = np.array(list(open_loop(policy, new).values())) / units
    assert denoised_error(policy, new) == pytest.approx(by_joint.mean(), rel=1e-5)
    assert denoised_error(policy, new) > 0.1


def test_it_draws_from_fixed_seeds_and_leaves_the_policy_as_it_is(setting):
    policy, new = setting
    policy.train()
    before = torch.get_rng_state()
    first = Evaluation(new, every=1).of(policy)
    assert first == Evaluation(new, every=1).of(policy) and policy.training
    assert torch.equal(before, torch.get_rng_state())
    assert first != Evaluation(new, every=1, seed=1).of(policy)


def test_rows_fall_on_every_evaluation():
    evaluation = Evaluation.__new__(Evaluation)
    for every, at_most, expected in ((15, 4, 3), (10, 100, 10), (7, 3, 1), (12, 0, 1), (50, 25, 25)):
        object.__setattr__(evaluation, "every", every)
        assert evaluation.log_every(at_most) == expected


def test_what_cannot_be_evaluated_is_refused(setting):
    _, new = setting
    for change, words in (({"every": 0}, "every"), ({"rollouts": -1}, "rollouts"), ({"execute": 0}, "execute")):
        with pytest.raises(InputError, match=words):
            Evaluation(new, **{"every": 1, **change})
    with pytest.raises(InputError, match="a robot and a task of the simulator"):
        Evaluation(new, every=1, rollouts=3)


@pytest.mark.slow
def test_rollouts_are_those_of_the_simulator():
    pytest.importorskip("mujoco", reason="the simulator is an extra")
    from ate.data import load
    from ate.experiments.settings import SHIPPED
    from ate.sim.rollout import rollout

    new = load(SHIPPED / "lift" / "adapt" / "ur5e").select([0])
    policy = build([new], 8, seed=0, hidden=16)
    found = Evaluation(new, every=1, rollouts=2, execute=4, seed=5).of(policy)
    generator = torch.Generator().manual_seed(5)
    direct = rollout(lambda q, s: policy.act(q, s, generator), "ur5e", "lift", range(2), execute=4)
    assert found["success"] == direct.rate and found["closest"] == direct.closest.mean()


def test_errors_by_episode_average_to_those_by_joint(setting):
    """With fewer rows than samples every row is one, so episodes weigh by their length."""
    policy, new = setting
    errors = open_loop_by_episode(policy, new)
    assert errors.by_joint == open_loop(policy, new)
    for joint, by_episode in errors.by_episode.items():
        assert len(by_episode) == len(new)
        assert np.average(by_episode, weights=new.lengths) == pytest.approx(errors.by_joint[joint], rel=1e-5)
