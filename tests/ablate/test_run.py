import json

import pytest
import torch

from ate.ablate import ArmSpec, Experiment, comparison
from ate.ablate.run import draw_demonstrations, run, run_seed, simulated
from ate.ablate.study import prepare
from ate.align import Alignment, fit, realign, refit
from ate.align.config import preset
from ate.data import DataSet, load
from ate.errors import InputError
from ate.policies import build
from ate.presets import SHIPPED, settings


@pytest.fixture
def experiment(make_set, tmp_path):
    """Two small robots without a simulator, aligned and with an untrained policy."""
    torch.set_num_threads(1)
    old, new = make_set("old", joints=7, episodes=5), make_set("new", joints=6, episodes=8, seed=1)
    config = preset("smoke").with_options(chunk=8, pretrain_steps=4, adapt_steps=4)
    alignment = fit(old, new, config, directory=tmp_path / "align")
    build([old], 8, seed=0, width=alignment.space.width, hidden=16).save(tmp_path / "policy.safetensors")
    return Experiment(
        policy=str(tmp_path / "policy.safetensors"), alignment=str(tmp_path / "align"),
        adapt=DataSet(str(tmp_path / "new")), held_out=0.25, demonstrations=4, steps=3, batch=8, rollouts=2,
    )  # fmt: skip


def stripped(results):
    return [{k: v for k, v in r.to_tree().items() if k != "seconds"} for r in results]


def test_results_do_not_depend_on_workers_and_are_kept(experiment, tmp_path):
    arms = comparison(2.0, 0.1)
    one = run(experiment, arms, [0, 1], tmp_path / "one", workers=1)
    two = run(experiment, arms, [0, 1], tmp_path / "two", workers=2)
    assert stripped(one) == stripped(two)
    assert [(r.seed, r.arm) for r in one] == [(s, a.name) for s in (0, 1) for a in arms]
    # What is done is read, not run: a planted number comes back.
    file = sorted((tmp_path / "one").glob("*.json"))[0]
    tree = json.loads(file.read_text())
    tree[0]["open_loop"] = {"planted": 7.0}
    file.write_text(json.dumps(tree))
    again = run(experiment, arms, [0, 1], tmp_path / "one", workers=1)
    assert any(r.open_loop == {"planted": 7.0} for r in again)


def test_identity_follows_what_the_result_depends_on(experiment):
    from dataclasses import replace

    arms = comparison(2.0, 0.1)
    base = experiment.identity(arms, 0)
    assert base == experiment.identity(arms, 0)
    others = [experiment.identity(arms, 1), experiment.identity(arms[:2], 0)]
    others += [
        replace(experiment, steps=4).identity(arms, 0),
        replace(experiment, adapt=replace(experiment.adapt, source="action")).identity(arms, 0),
    ]
    others.append(experiment.identity(comparison(1.0, 0.1), 0))
    assert len({base, *others}) == 6


def test_arms_do_not_disturb_each_other(experiment):
    both = run_seed(experiment, comparison(2.0, 0.1), 0, None)
    alone = run_seed(experiment, [ArmSpec("direct")], 0, None)
    assert stripped(alone)[0] == stripped(both)[0]


def test_demonstrations_are_drawn_without_the_held_out(experiment):
    episodes = experiment.adapt.load()
    pool, held = episodes.split(experiment.held_out, experiment.seed)
    drawn = draw_demonstrations(pool, 4, seed=3)
    names = {e.name for e in drawn}
    assert len(names) == 4 and not names & {e.name for e in held}
    assert names != {e.name for e in draw_demonstrations(pool, 4, seed=4)}
    assert len(draw_demonstrations(pool, 400, seed=3)) == len(pool)


def test_stage_two_again_keeps_stage_one(experiment, tmp_path):
    alignment = Alignment.load(experiment.alignment)
    drawn = experiment.adapt.load().select([0, 2, 3, 5])
    again = realign(alignment, drawn, seed=1)
    old = alignment.pretrain_vae.state_dict()
    assert all(torch.equal(old[k], v) for k, v in again.pretrain_vae.state_dict().items())
    assert any(not torch.equal(a, b) for a, b in zip(alignment.vae.parameters(), again.vae.parameters(), strict=True))
    assert again.digests["adapt"] == drawn.digest and again.space.width == alignment.space.width
    kept = realign(alignment, drawn, seed=1, directory=tmp_path / "kept")
    back = realign(alignment, drawn, seed=1, directory=tmp_path / "kept")
    for a, b, c in zip(again.vae.parameters(), kept.vae.parameters(), back.vae.parameters(), strict=True):
        assert torch.equal(a, b) and torch.equal(a, c)


def test_the_adaptation_network_takes_the_robots_own_columns(experiment):
    alignment = Alignment.load(experiment.alignment)
    new = experiment.adapt.load()
    assert new.dof == 7 and alignment.space.width == 8 and alignment.vae.config.features == 7
    posterior = alignment.vae.encode(torch.from_numpy(alignment.space.compact.encode(new[0].qpos[None, :8])))
    assert posterior.mean.shape == posterior.std.shape == (1, alignment.config.latent)
    assert alignment.vae.decode(posterior.mean, 8).shape == (1, 8, 7)


def test_only_shipped_robots_and_tasks_are_simulated(make_set):
    assert not simulated(make_set())
    assert simulated(load(SHIPPED / "lift" / "adapt" / "ur5e"))


def test_unknown_parameterisations_are_refused_before_anything_is_read(tmp_path):
    with pytest.raises(InputError, match="did you mean 'sample'"):
        prepare(
            settings({"profile": "smoke", "run": str(tmp_path), "parameterizations": "sampel", "pretrain": "nowhere"})
        )
    assert not list(tmp_path.iterdir())


def test_a_reading_that_an_arm_names_guides_it(experiment, tmp_path):
    """An arm of another reading gets that reading's encoder; which is in the identity."""
    from dataclasses import replace

    old, new = load(tmp_path / "old"), load(tmp_path / "new")
    base = Alignment.load(tmp_path / "align")
    other = base.config.with_options(anchor_weight=0.0, adapt_kl_weight=0.5)
    refit(base, old, new, other, tmp_path / "other")
    arms = (ArmSpec("own", encoder="aligned", lam=2.0), ArmSpec("other", encoder="mixture", lam=2.0))
    named = replace(experiment, readings=(("mixture", str(tmp_path / "other")),))
    assert named.identity(arms, 0) != experiment.identity(arms, 0)
    own, mixed = run_seed(named, arms, 0, None)
    assert own.open_loop != mixed.open_loop
    same = replace(experiment, readings=(("mixture", experiment.alignment),))
    one, two = run_seed(same, arms, 0, None)
    assert one.open_loop == two.open_loop
