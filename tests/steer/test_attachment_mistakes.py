"""Mistakes that people make with `attach`, each caught with what to do, or right: on recordings of a real layout."""

import copy
import math
import re
import warnings

import numpy as np
import pytest
import torch
from torch import nn

from ate.errors import InputError
from ate.steer import attach
from ate.steer.fit import STATE
from ate.steer.reminder import NotGuided
from tests.steer.strangers import DiffusionPolicy

S = 16
ROS = [2, 1, 0, 3, 4, 5, 6]


class Loop:
    """Somebody's training on chunks that they normalise by their smallest and largest values."""

    def __init__(self, chunks, seed=0):
        low, high = chunks.min((0, 1)), chunks.max((0, 1))
        self.center, self.half = (low + high) / 2, np.maximum((high - low) / 2, 1e-6)
        self.chunks = torch.from_numpy((chunks - self.center) / self.half).float()
        self.statistics = self.center, self.half
        self.policy = DiffusionPolicy(S, chunks.shape[-1])
        self.generator = torch.Generator().manual_seed(seed)

    def batch(self, size=32):
        rows = torch.randint(len(self.chunks), (size,), generator=self.generator)
        noise = torch.randn(size, *self.chunks.shape[1:], generator=self.generator)
        return rows, self.chunks[rows], noise, torch.randint(100, (size,), generator=self.generator)

    def step(self, size=32):
        _, *batch = self.batch(size)
        self.policy(*batch).backward()

    def guided(self, alignment, steps=10, **options):
        with attach(self.policy, alignment, "paper", **options) as guided:
            for _ in range(steps):
                self.step()
        return guided


def chunks_of(recordings, change=lambda rows: rows):
    series = [change(recordings.series(i).astype("f8")) for i in range(len(recordings))]
    return np.stack([rows[i : i + S] for rows in series for i in range(len(rows) - S + 1)])


@pytest.fixture
def loop(recordings):
    torch.manual_seed(0)
    return Loop(chunks_of(recordings))


def refused(loop, alignment, **options):
    with pytest.raises(InputError) as error:
        loop.guided(alignment, **options)
    assert not loop.policy.model._forward_hooks and "add_noise" not in vars(loop.policy.noise_scheduler)
    return error.value


def right(loop, alignment):
    return {"joints": alignment.joint_names, "statistics": loop.statistics}


@pytest.mark.parametrize("kind", ["pair", "mean and std", "min and max"])
@pytest.mark.slow
def test_what_is_right_is_guided_for_hundreds_of_chunks(loop, alignment, recordings, kind):
    if kind == "mean and std":
        loop.chunks = loop.chunks / 2 - 0.1
        loop.statistics = {"mean": loop.center + 0.2 * loop.half, "std": 2 * loop.half}
    elif kind == "min and max":
        loop.statistics = {"min": loop.center - loop.half, "max": loop.center + loop.half}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert loop.guided(alignment, 20, **right(loop, alignment)).steps == 20


# 1. no `with`


@pytest.mark.slow
def test_a_call_without_a_block_guides_until_detach(loop, alignment):
    _, a0, noise, t = loop.batch()
    bare = loop.policy(a0, noise, t).item()
    guided = attach(loop.policy, alignment, "paper", **right(loop, alignment))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loss = loop.policy(a0, noise, t)
        loss.backward()
        assert guided.steps == 1 and loss.item() != bare
        guided.detach()
        guided.detach()
        assert loop.policy(a0, noise, t).item() == bare
    assert guided.steps == 1 and guided.rows
    with pytest.raises(InputError, match="attach again"), guided:
        pass


def test_what_nobody_holds_says_so_at_the_first_backward_pass_and_once(loop, alignment):
    attach(loop.policy, alignment, "paper", **right(loop, alignment))
    with pytest.warns(NotGuided, match=r"guided\.detach\(\)") as heard:
        loop.step()
        loop.step()
    assert len(heard) == 1


def test_a_policy_that_trains_past_its_guidance_says_so_at_the_first_backward_pass(loop, alignment):
    other = copy.deepcopy(loop.policy)
    loop.policy.model = other.model
    guided = attach(loop.policy, alignment, "paper", network=nn.Linear(1, 1), **right(loop, alignment))
    with pytest.warns(NotGuided, match="no step was guided"):
        loop.step()
    with pytest.warns(NotGuided, match="no step was guided"):
        guided.detach()


def test_a_second_guidance_on_one_policy_is_refused_and_one_after_the_other_is_not(loop, alignment):
    first = attach(loop.policy, alignment, "paper", **right(loop, alignment))
    with pytest.raises(InputError, match=r"guided\.detach\(\)"):
        attach(loop.policy, alignment, "paper", **right(loop, alignment))
    loop.step()
    first.detach()
    assert loop.guided(alignment, **right(loop, alignment)).steps == 10


def test_a_copy_of_a_guided_policy_is_not_guided(loop, alignment, tmp_path):
    _, a0, noise, t = loop.batch()
    bare = loop.policy(a0, noise, t).item()
    with attach(loop.policy, alignment, "paper", **right(loop, alignment)) as guided:
        loop.policy(a0, noise, t)
        average = copy.deepcopy(loop.policy.model)
        noisy = loop.policy.noise_scheduler.add_noise(a0, noise, t)
        assert nn.functional.mse_loss(average(noisy, t / 100), noise).item() == bare
        torch.save(loop.policy.model, tmp_path / "whole.pt")
        loop.policy(a0, noise, t)
    saved = torch.load(tmp_path / "whole.pt", weights_only=False)
    assert nn.functional.mse_loss(saved(noisy, t / 100), noise).item() == bare and guided.steps == 2


# 2. wrong statistics


@pytest.mark.parametrize(
    ("statistics", "fix"),
    [
        (lambda c, h: (np.rad2deg(c), np.rad2deg(h)), "these are degrees"),
        (lambda c, h: (c, 3 * h), "statistics="),
        (lambda c, h: (c, 0.05 * h), "statistics="),
        (lambda c, h: (c - h, c + h), "min and max|statistics="),
        (lambda c, h: (c[ROS], h[ROS]), "joints=|statistics="),
        (lambda c, h: (1e3 * c, 1e3 * h), "these are millimetres"),
    ],
    ids=["degrees", "thrice", "a twentieth", "low and high", "another order", "millimetres"],
)
@pytest.mark.slow
def test_statistics_that_do_not_fit_the_batches_are_refused(loop, alignment, statistics, fix):
    error = refused(loop, alignment, joints=alignment.joint_names, statistics=statistics(*loop.statistics))
    assert re.search(fix, error.fix)
    assert "actions of joint" in error.got or error.where == "statistics of the policy"


@pytest.mark.slow
def test_one_column_in_other_units_is_refused_once_enough_was_seen(loop, alignment):
    half = loop.half.copy()
    half[2] *= 0.05
    error = refused(loop, alignment, joints=alignment.joint_names, statistics=(loop.center, half), steps=20)
    assert repr(alignment.joint_names[2]) in error.got


def test_statistics_of_another_length_or_kind_are_refused(loop, alignment):
    center, half = loop.statistics
    for statistics in (
        (center[:3], half[:3]),
        (center, -half),
        {"mu": center},
        "own",
        (center,),
        (center * np.nan, half),
    ):
        error = refused(loop, alignment, joints=alignment.joint_names, statistics=statistics)
        assert error.where == "statistics of the policy"


# 3. omitted joints, or statistics


def test_joints_and_statistics_are_asked_for(loop, alignment):
    everything = right(loop, alignment)
    for name in everything:
        error = refused(loop, alignment, **{key: value for key, value in everything.items() if key != name})
        assert error.got == f"no {name}=" and f"{name}=" in error.fix
    loop.policy.normalizer = nn.Identity()
    assert "DiffusionPolicy.normalizer" in refused(loop, alignment, joints=alignment.joint_names).expected


# 4. wrong order


@pytest.mark.slow
def test_names_in_a_wrong_order_are_refused_and_the_order_that_is_named_is_right(recordings, alignment):
    loop = Loop(chunks_of(recordings, lambda rows: rows[:, ROS]))
    names = alignment.joint_names
    for statistics in (loop.statistics, "alignment"):
        fix = refused(loop, alignment, joints=names, statistics=statistics).fix
        order = re.search(r"joints=(\[.*\])", fix).group(1)
        named = [word.strip("' ") for word in order.strip("[]").split(",")]
        assert named == [names[i] for i in ROS]
    assert loop.guided(alignment, joints=named, statistics=loop.statistics).steps == 10


# 5. wrong horizon, and wrong rate


def test_another_horizon_is_refused(alignment):
    policy = DiffusionPolicy(8, 7)
    options = {"joints": alignment.joint_names, "statistics": "alignment"}
    with pytest.raises(InputError, match=r"S = 16.* -p chunk=8"), attach(policy, alignment, **options):
        policy(torch.zeros(4, 8, 7), torch.randn(4, 8, 7), torch.arange(4))


@pytest.mark.slow
def test_another_rate_is_refused_by_its_durations(recordings, alignment):
    def twice(rows):
        places = np.arange(0, len(rows) - 1, 0.5)
        return np.stack([np.interp(places, np.arange(len(rows)), column) for column in rows.T], 1)

    loop = Loop(chunks_of(recordings, twice))
    error = refused(loop, alignment, **right(loop, alignment))
    assert "0.4 s" in error.got and "0.8 s" in error.expected
    error = refused(loop, alignment, rate_hz=40, **right(loop, alignment))
    assert "0.4 s" in error.got and "0.8 s" in error.expected
    # The way out of a robot that only is slow.
    assert loop.guided(alignment, rate_hz=20, **right(loop, alignment)).steps == 10


# 6. eval mode


def test_training_in_eval_mode_is_said_at_the_first_backward_pass_and_at_the_end(loop, alignment):
    loop.policy.eval()
    with pytest.warns(NotGuided, match=r"policy\.train\(\)"), pytest.raises(InputError, match="eval mode"):
        loop.guided(alignment, 2, **right(loop, alignment))


# 7. detach mid-way


def test_detach_between_forward_and_backward_and_on_from_there(loop, alignment):
    _, a0, noise, t = loop.batch()
    guided = attach(loop.policy, alignment, "paper", **right(loop, alignment))
    loss = loop.policy(a0, noise, t)
    guided.detach()
    loss.backward()
    shifted = loop.policy.model.inner.weight.grad.clone()
    loop.policy.zero_grad()
    with attach(loop.policy, alignment, "paper", **right(loop, alignment)):
        loop.policy(a0, noise, t).backward()
    assert torch.equal(loop.policy.model.inner.weight.grad, shifted)
    loop.policy.zero_grad()
    loop.policy(a0, noise, t).backward()
    assert not torch.equal(loop.policy.model.inner.weight.grad, shifted)


# 8. an exception inside


def test_an_exception_inside_is_the_users_and_leaves_the_policy_as_it_was(loop, alignment):
    for error in (ZeroDivisionError, KeyboardInterrupt):
        with pytest.raises(error), attach(loop.policy, alignment, "paper", **right(loop, alignment)):
            raise error
        assert not loop.policy.model._forward_hooks and "add_noise" not in vars(loop.policy.noise_scheduler)
    assert loop.guided(alignment, **right(loop, alignment)).steps == 10


# 9. relative actions


def relative(recordings):
    """Chunks minus the joints at their start, with an absolute gripper, and what was subtracted."""
    chunks = chunks_of(recordings)
    state = chunks[:, 0].copy()
    state[:, 6] = 0
    return chunks - state[:, None], torch.from_numpy(state)


@pytest.mark.parametrize("statistics", ["own", "alignment"])
def test_relative_actions_are_recognised(recordings, alignment, statistics):
    loop = Loop(relative(recordings)[0])
    given = loop.statistics if statistics == "own" else statistics
    error = refused(loop, alignment, joints=alignment.joint_names, statistics=given)
    assert "relative actions" in error.got and error.fix == STATE


def test_relative_actions_with_their_state_get_the_shift_of_absolute_ones(loop, recordings, alignment):
    chunks, state = relative(recordings)
    theirs = Loop(chunks)
    rows, a0, noise, t = loop.batch()
    with attach(loop.policy, alignment, "paper", **right(loop, alignment)) as guided:
        loop.policy(a0, noise, t)
        wanted = guided.shift * torch.from_numpy(loop.half)
    scale = torch.from_numpy(loop.half / theirs.half)
    # ε-prediction: k does not depend on the units, and the same noise in joint units is that much larger.
    with attach(theirs.policy, alignment, "paper", **right(theirs, alignment)) as guided:
        guided.offset(state[rows])
        theirs.policy(theirs.chunks[rows], (noise * scale).float(), t)
        found = guided.shift * torch.from_numpy(theirs.half)
        # x of relative chunks holds α times the state less, which the map gives back.
        torch.testing.assert_close(found, wanted * scale**-2, atol=1e-4, rtol=1e-2)
        with pytest.raises(InputError, match=r"guided\.offset\(state\)"):
            theirs.policy(theirs.chunks[rows], noise, t)
        with pytest.raises(InputError, match=r"\(16, 7\)"):
            guided.offset(state[rows][:16])
            theirs.policy(theirs.chunks[rows], noise, t)


@pytest.mark.slow
def test_velocities_are_refused(recordings, alignment):
    loop = Loop(chunks_of(recordings, lambda rows: np.gradient(rows, axis=0) * 20))
    refused(loop, alignment, **right(loop, alignment))
    refused(loop, alignment, joints=alignment.joint_names, statistics="alignment")


# The meter


def test_the_meter_is_a_table_that_says_what_to_do(loop, alignment):
    guided = attach(loop.policy, alignment, "paper", lam=1e-6, **right(loop, alignment))
    assert "No guided step" in str(guided)
    loop.step()
    text = str(guided)
    lines = text.splitlines()
    assert {"noise level", "means", "do"} <= set(re.split(r"\s{2,}", lines[1].strip()))
    assert len([line for line in lines if re.match(r"0(\.\d)? to ", line)]) == len(guided.rows)
    advised = float(re.search(r"lam=([\d.e+-]*\d)", lines[-1]).group(1))
    guided.detach()
    # What it advises is felt, and does not outweigh the residual.
    with attach(loop.policy, alignment, "paper", lam=advised, **right(loop, alignment)) as louder:
        loop.step()
    most = max(row["ratio"] for row in louder.rows)
    assert 0.01 < most < 0.5 or math.isclose(most, 0.1, rel_tol=0.5)
    assert "leave it" in str(louder).splitlines()[-1]
    with attach(loop.policy, alignment, "paper", lam=0.01, clamp=1e-7, **right(loop, alignment)) as bounded:
        loop.step()
    assert "raise the clamp" in str(bounded) or "raise λ" in str(bounded)
