from dataclasses import replace

import pytest
import torch

from ate.align import Alignment, realign, refit
from ate.data import load
from ate.errors import InputError
from ate.experiments import MethodSpec, comparison
from ate.experiments.seed_run import draw_demonstrations, run_seed, simulated
from ate.experiments.settings import SHIPPED, settings
from ate.experiments.store import cells_of
from ate.experiments.study import prepare
from ate.steer import GuidanceConfig

from .conftest import stripped


@pytest.mark.slow
def test_an_method_does_not_depend_on_its_company(experiment):
    """Whatever shares its stream, a method gives the same bits: encoders of every kind, sampled latents, estimates."""
    guided = GuidanceConfig(lam=2.0, clamp=0.1, energy_at="x_t")
    sampled = replace(guided, latent="sample")
    methods = [
        *comparison(guided, "aligned", placed=False),
        MethodSpec("identity", encoder="identity", guidance=guided),
        MethodSpec("sampled", encoder="aligned", guidance=sampled),
        MethodSpec("sampled, random", encoder="random", guidance=sampled),
        MethodSpec("sampled, identity", encoder="identity", guidance=sampled),
        MethodSpec("auxiliary", encoder="aligned", guidance=GuidanceConfig(energy_at="x0_hat", lam=1.0)),
        MethodSpec("one-stage", encoder="one-stage", guidance=guided),
    ]
    together = dict(
        zip([method.name for method in methods], stripped(run_seed(experiment, methods, 1, None)), strict=True)
    )
    # Two others and the last, in another order, then one by itself.
    for few in ([methods[7], methods[1], methods[6]], [methods[5]], [methods[4], methods[0]], [methods[8]]):
        for method, one in zip(few, stripped(run_seed(experiment, few, 1, None)), strict=True):
            assert one == together[method.name], method.name
    # All of them act, each in its own way.
    assert len({str(tree["open_loop"]) for tree in together.values()}) == len(methods)


@pytest.mark.slow
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


@pytest.mark.slow
def test_a_reading_that_an_method_names_guides_it(experiment, world, tmp_path):
    """A method of another reading gets that reading's encoder; which is in the identity."""
    old, new = load(world / "old"), load(world / "new")
    base = Alignment.load(world / "align")
    other = base.config.with_options(anchor_weight=0.0, adapt_kl_weight=0.5)
    refit(base, old, new, other, tmp_path / "other")
    methods = (
        MethodSpec("own", encoder="aligned", guidance=GuidanceConfig(lam=2.0, energy_at="x_t")),
        MethodSpec("other", encoder="mixture", guidance=GuidanceConfig(lam=2.0, energy_at="x_t")),
    )
    named = replace(experiment, variants=(("mixture", str(tmp_path / "other")),))
    named_cells, cells = ([cell.key for cell in cells_of(shared, methods, [0])] for shared in (named, experiment))
    # A reading counts for the methods that name it.
    assert named_cells[0] == cells[0] and named_cells[1] != cells[1]
    own, mixed = run_seed(named, methods, 0, None)
    assert own.open_loop != mixed.open_loop
    same = replace(experiment, variants=(("mixture", experiment.alignment),))
    one, two = run_seed(same, methods, 0, None)
    assert one.open_loop == two.open_loop
