"""What the methods of one seed are made of: one normaliser, replays that keep their rows, encoders and their goals."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from ate.data import DataSet
from ate.errors import InputError
from ate.experiments import MethodSpec
from ate.experiments.materials import Materials
from ate.experiments.methods import comparison, controls
from ate.experiments.seed_run import draw_demonstrations, run_seed, train_seed
from ate.experiments.settings import SHIPPED
from ate.experiments.store import cells_of
from ate.robots.kinematics import Kinematics
from ate.sim.rollout import rollout
from ate.steer.goals import Goals

from .conftest import stripped

# All that the small world can train: it has no alignment as released.
METHODS = {method.name: method for method in controls() if method.encoder != "released"}


@pytest.fixture
def materials(placed):
    episodes = placed.adapt.load()
    drawn = draw_demonstrations(episodes.split(placed.held_out, 0)[0], placed.demonstrations, 1)
    return Materials(placed, episodes, drawn, 1, None)


@pytest.mark.slow
def test_every_method_is_what_it_is_alone(placed):
    """Company changes nothing, and no two methods come to the same."""
    together = dict(zip(METHODS, stripped(run_seed(placed, list(METHODS.values()), 1, None)), strict=True))
    for name in ("retarget", "tool-motion guidance", "goals of other episodes", "tool space", "direct, 96 rows"):
        (alone,) = stripped(run_seed(placed, [METHODS[name]], 1, None))
        assert alone == together[name], name
    assert len({str(tree["open_loop"]) for tree in together.values()}) == len(METHODS)


@pytest.mark.slow
def test_methods_in_joints_share_a_normaliser_of_all_they_see(materials):
    space = materials.joints
    seen = np.concatenate([item.qpos for part in (materials.drawn, materials.retargeted) for item in part])
    np.testing.assert_allclose(space.normalizer.low, seen.min(0))
    np.testing.assert_allclose(space.normalizer.high, seen.max(0))
    assert materials.alignment("aligned").space is space and materials.alignment("motion").space is space
    assert materials.method(METHODS["tool-motion guidance"]).guidance.space is space
    assert materials.space(METHODS["tool space"]) is not space


@pytest.mark.slow
def test_replays_hold_the_same_episodes_each_in_its_joints(materials):
    replays = {name: materials.method(METHODS[name]).replay for name in
               ("retarget", "identified kinematics", "translated by Info-VAEs", "untranslated")}  # fmt: skip
    (known,) = replays["retarget"].sets
    new = Kinematics.of("ur5e")
    positions = [new.forward(item.qpos.astype(float))[0] for item in known]
    for name, far in (("identified kinematics", 0.02), ("translated by Info-VAEs", 1.0)):
        (made,) = replays[name].sets
        assert [item.name for item in made] == [item.name for item in known]
        for item, position in zip(made, positions, strict=True):
            off = np.linalg.norm(new.forward(item.qpos.astype(float))[0] - position, axis=1)
            assert off.max() < far
        assert not np.array_equal(made[0].qpos, known[0].qpos)
    lengths = [sum(part.lengths.sum() for part in replay.sets) for replay in replays.values()]
    assert len(set(lengths)) == 1 and [s.robot for s in replays["untranslated"].sets] == ["panda", "xarm6"]


@pytest.mark.slow
def test_goals_are_of_the_encoder_and_episodes_that_they_are_called_after(materials):
    goals = {name: materials.method(METHODS[name]).guidance.goals.latents for name in
             ("tool-motion guidance", "untrained encoder", "goals of other episodes", "untrained on both sides",
              "guidance by present Info-VAEs")}  # fmt: skip
    guided = materials.method(METHODS["tool-motion guidance"]).guidance
    chunks = torch.from_numpy(materials.joints.compact.encode(materials.retargeted[0].qpos[:8]))[None]
    # Equal tool motion has one latent, whatever the robot: E_φ of the panda's chunk is E_ψ of the retargeted one.
    torch.testing.assert_close(guided.vae.encode(chunks).mean[0], goals["tool-motion guidance"][0], atol=1e-3, rtol=0)
    assert torch.equal(goals["untrained encoder"], goals["tool-motion guidance"])
    shapes = {tuple(latents.shape) for latents in goals.values()}
    assert len(shapes) == 1
    distinct = {latents.numpy().tobytes() for latents in goals.values()}
    assert len(distinct) == len(goals) - 1


def test_without_demonstrations_policies_are_as_they_were_or_see_retargeted_episodes_alone(placed):
    none = replace(placed, demonstrations=0)
    methods = comparison(demonstrations=0)
    assert not any(method.needs_demonstrations for method in methods)
    done = train_seed(none, methods, 0, None)
    assert [method.name for method in methods] == ["direct", "retarget", "tool space"] and len(done.drawn) == 0

    def weights(policy):
        return torch.cat([p.detach().flatten() for p in policy.parameters()])

    for name in ("direct", "tool space"):
        assert (
            torch.equal(weights(done.trained[name].policy), weights(done.starts[name])) and not done.trained[name].loss
        )
    assert not torch.equal(weights(done.trained["retarget"].policy), weights(done.starts["retarget"]))
    with pytest.raises(InputError, match="0 demonstrations"):
        train_seed(none, [METHODS["tool-motion guidance"]], 0, None)


@pytest.mark.slow
def test_what_a_method_needs_and_is_not_there_is_named(experiment):
    for method, needed in ((METHODS["retarget"], "pre-training episodes"), (METHODS["tool space"], "tool space")):
        with pytest.raises(InputError, match=needed):
            train_seed(experiment, [method], 0, None)
    unknown = replace(experiment, pretrain=experiment.adapt)
    with pytest.raises(InputError, match="without kinematics"):
        train_seed(unknown, [METHODS["retarget"]], 0, None)


def test_a_cell_depends_on_what_its_method_uses(placed, placed_world):
    keys = {cell.method.name: cell.key for cell in cells_of(placed, list(METHODS.values()), [0])}
    assert len(set(keys.values())) == len(METHODS)
    other = replace(placed, tool_policy=placed.policy)
    moved = {cell.method.name: cell.key for cell in cells_of(other, list(METHODS.values()), [0])}
    in_tool_space = {name for name, method in METHODS.items() if method.space == "tool"}
    assert {name for name in keys if moved[name] != keys[name]} == in_tool_space and in_tool_space
    fewer = replace(placed, pretrain=replace(placed.pretrain, path=str(placed_world / "old" / "panda")))
    assert not set(keys.values()) & {cell.key for cell in cells_of(fewer, [MethodSpec("direct")], [0])}


@pytest.mark.slow
def test_another_task_than_that_of_the_demonstrations_can_be_rolled_out(placed_world, placed):
    """The very rollouts of the task that is named, by the policy as it was pre-trained."""
    lift = DataSet(str(SHIPPED / "lift" / "adapt" / "ur5e"))
    none = replace(placed, adapt=lift, demonstrations=0, rollouts=2, task="push")
    (result,) = run_seed(none, [MethodSpec("direct")], 3, None)
    done = train_seed(none, [MethodSpec("direct")], 3, None)
    noise = torch.Generator().manual_seed(3)
    policy = done.trained["direct"].policy
    expected = rollout(lambda q, s: policy.act(q, s, noise), "ur5e", "push", range(2), execute=8, threads=1)
    assert result.closest == tuple(map(float, expected.closest))
    (other,) = run_seed(replace(none, task=""), [MethodSpec("direct")], 3, None)
    assert other.closest != result.closest


@pytest.mark.slow
def test_goals_of_the_same_stage_1_are_computed_once(materials, monkeypatch):
    from ate.experiments import materials as module

    monkeypatch.setattr(module, "_known_goals", {})
    calls, own = [], Goals.of
    monkeypatch.setattr(Goals, "of", lambda *given: calls.append(given) or own(*given))
    first = materials.method(METHODS["tool-motion guidance"]).guidance.goals
    another = Materials(materials.experiment, materials.episodes, materials.drawn, 2, None)
    again = another.method(METHODS["tool-motion guidance"]).guidance.goals
    assert len(calls) == 1 and torch.equal(first.latents, again.latents)
    alignment = another.alignment("motion")
    torch.testing.assert_close(again.latents, own(alignment, another.sets, another.retargeted).latents)
    # Other weights of φ, other goals.
    with torch.no_grad():
        next(alignment.pretrain_vae.parameters()).add_(0.1)
    assert not torch.equal(another._goals(METHODS["tool-motion guidance"], alignment, alignment.encoder).latents,
                           first.latents) and len(calls) == 2  # fmt: skip
