"""Cells: what is done is never done again, what fails says why, and where they are trained changes nothing."""

import json
from dataclasses import replace

import pytest

from ate.errors import InputError
from ate.experiments import Executor, JobSpec, MethodSpec, comparison
from ate.experiments.dispatch import CellsFailed, CellsMissing, run
from ate.experiments.store import SeedJob, Store, cells_of, load_results
from ate.runs.files import write_json
from ate.steer import GuidanceConfig
from ate.steer.guidance_config import PRESETS

from .conftest import stripped

HERE = Executor("here")
METHODS = comparison(GuidanceConfig(lam=2.0, clamp=0.1, energy_at="x_t"), "aligned", placed=False)


def ask(experiment, methods=METHODS, seeds=(0,)):
    return [JobSpec(experiment, tuple(methods), tuple(seeds))]


@pytest.mark.slow
def test_results_do_not_depend_on_the_executor_and_are_kept(experiment, tmp_path):
    one = run(ask(experiment, seeds=(0, 1)), tmp_path / "one", HERE)
    two = run(ask(experiment, seeds=(0, 1)), tmp_path / "two", Executor("processes", workers=2))
    assert stripped(one.results) == stripped(two.results) and not one.failed
    assert [(r.seed, r.method) for r in one.results] == [(s, a.name) for s in (0, 1) for a in METHODS]
    files = sorted((tmp_path / "one" / "cells").iterdir())
    assert files == sorted(tmp_path / "one" / "cells" / f"{r.cell[:16]}.json" for r in one.results)
    # What is done is read, not run: a planted number comes back.
    tree = json.loads(files[0].read_text())
    write_json(files[0], {**tree, "open_loop": {"planted": 7.0}})
    again = run(ask(experiment, seeds=(0, 1)), tmp_path / "one", HERE)
    assert any(r.open_loop == {"planted": 7.0} for r in again.results)


@pytest.mark.slow
def test_only_what_is_missing_is_trained(experiment, tmp_path, monkeypatch):
    import ate.experiments.store

    asked = []
    taken = ate.experiments.store.run_seed
    monkeypatch.setattr(
        ate.experiments.store,
        "run_seed",
        lambda *given: asked.append([method.name for method in given[1]]) or taken(*given),
    )
    whole = run(ask(experiment), tmp_path, HERE)
    assert asked == [[method.name for method in METHODS]]
    # Another name for the same method, one that is new, and one that is there.
    more = [
        replace(METHODS[2], name="λ=2, c=0.1"),
        MethodSpec("new", encoder="aligned", guidance=GuidanceConfig(lam=0.5, energy_at="x_t")),
        METHODS[0],
    ]
    grown = run(ask(experiment, more), tmp_path, HERE)
    assert asked[1:] == [["new"]]
    assert [r.method for r in grown.results] == ["λ=2, c=0.1", "new", "direct"]
    assert grown.results[0].spec == more[0]
    assert replace(grown.results[2]) == whole.results[0]
    (tmp_path / "cells" / f"{whole.results[1].cell[:16]}.json").unlink()
    assert stripped(run(ask(experiment), tmp_path, HERE).results) == stripped(whole.results)
    assert asked[2:] == [["scratch"]]


STACKED = [MethodSpec("direct"), *(
    MethodSpec(f"{lam}", encoder="aligned", guidance=GuidanceConfig(lam=lam, clamp=0.1, energy_at="x_t"))
    for lam in (1.0, 2.0)
)]  # fmt: skip


@pytest.mark.slow
def test_stacked_methods_are_cells_of_their_own_that_depend_on_their_company(experiment, tmp_path):
    alone = run(ask(experiment, STACKED), tmp_path / "alone", HERE).results
    stacked = run(ask(experiment, STACKED), tmp_path, HERE, stacked=True).results
    for one, other in zip(alone, stacked, strict=True):
        assert one.cell != other.cell and one.method == other.method
        assert [row["loss"] for row in other.loss] == pytest.approx([row["loss"] for row in one.loss], rel=1e-3)
    fewer = run(ask(experiment, STACKED[:2]), tmp_path / "fewer", HERE, stacked=True).results
    assert not {result.cell for result in fewer} & {result.cell for result in (*alone, *stacked)}
    # Where one of them is missing all are trained again; nothing is otherwise.
    file, other = (tmp_path / "cells" / f"{result.cell[:16]}.stacked.json" for result in alone[1:])
    before = other.stat().st_mtime_ns
    run(ask(experiment, STACKED), tmp_path, HERE, stacked=True)
    assert other.stat().st_mtime_ns == before
    file.unlink()
    again = run(ask(experiment, STACKED), tmp_path, HERE, stacked=True).results
    assert stripped(again) == stripped(stacked) and other.stat().st_mtime_ns > before


@pytest.mark.slow
def test_no_method_and_seed_is_trained_both_alone_and_stacked_in_one_folder(experiment, tmp_path, monkeypatch):
    """Reports read every cell of a folder: two results of one method and seed would both count."""
    made = run(ask(experiment, STACKED[:1]), tmp_path / "made", HERE).results
    given = lambda _, methods, *__: [replace(made[0], spec=method) for method in methods]  # noqa: E731
    monkeypatch.setattr("ate.experiments.store.run_seed", given)

    def ran(folder, methods, stacked, seeds=(0,)):
        return run(ask(experiment, methods, seeds), tmp_path / folder, HERE, stacked=stacked).results

    ran("alone", STACKED, False)
    ran("stacked", STACKED, True)
    for folder, methods, stacked in (("alone", STACKED, True), ("stacked", STACKED[1:2], False)):
        with pytest.raises(InputError) as refused:
            ran(folder, methods, stacked)
        assert "--run" in refused.value.fix and folder in refused.value.got
    with pytest.raises(InputError) as refused:
        ran("stacked", STACKED[:2], True)
    assert "--run" in refused.value.fix
    # Other seeds, as those that validate a winner, may be trained alone.
    ran("stacked", STACKED[:2], False, seeds=(1,))
    assert len(load_results(tmp_path / "stacked")) == 5 and len(load_results(tmp_path / "alone")) == 3


def test_guidance_at_pretraining_observations_is_not_stacked(experiment, tmp_path):
    guided = MethodSpec("guided", encoder="motion", guidance=PRESETS["tool-motion"], replay="retargeted")
    with pytest.raises(InputError) as refused:
        run(ask(experiment, [MethodSpec("direct"), guided]), tmp_path, HERE, stacked=True)
    assert refused.value.where == "methods to be stacked" and "--stacked" in refused.value.fix


def test_one_method_twice_under_two_names_is_one_cell(experiment, tmp_path):
    twice = [replace(METHODS[2], name="a"), replace(METHODS[2], name="b")]
    found = run(ask(experiment, twice), tmp_path, HERE).results
    assert [r.method for r in found] == ["a", "b"] and found[0].cell == found[1].cell
    assert len(list((tmp_path / "cells").iterdir())) == 1
    with pytest.raises(InputError, match="'a' more than once"):
        ask(experiment, [twice[0], replace(twice[1], name="a")])


@pytest.mark.slow
def test_a_cell_is_named_by_what_its_result_depends_on(experiment, world, tmp_path):
    base = cells_of(experiment, METHODS[2:3], [0])[0].key

    def key(method=METHODS[2], seed=0, **changed):
        return cells_of(replace(experiment, **changed), [method], [seed])[0].key

    def guided(**options):
        return replace(METHODS[2], guidance=replace(METHODS[2].guidance, **options))

    policy = tmp_path / "policy.safetensors"
    policy.write_bytes((world / "policy.safetensors").read_bytes())
    (tmp_path / "align").symlink_to(world / "align")
    # Where files are does not matter, nor what a method is called, nor whether a number is whole.
    assert base == key(policy=str(policy), alignment=str(tmp_path / "align"))
    assert base == key(replace(guided(lam=2), name="other"))
    policy.write_bytes(policy.read_bytes() + b"\n")
    others = [
        key(seed=1),
        key(guided(clamp=0.2)),
        key(guided(latent="sample")),
        key(steps=4),
        key(demonstrations=3),
        key(rollouts=3),
        key(held_out=0.5),
        key(adapt=replace(experiment.adapt, source="action")),
        key(policy=str(policy)),
    ]
    assert len({base, *others}) == len(others) + 1


@pytest.fixture
def bad(monkeypatch):
    """Methods of that name raise, whatever trains beside them, until the list is emptied."""
    import ate.experiments.store

    names, taken = ["bad"], ate.experiments.store.run_seed

    def run_seed(experiment, methods, seed, aligned, stacked=False, keep=None):
        for method in methods:
            if method.name in names:
                raise FloatingPointError(f"{method.name} diverged")
        return taken(experiment, methods, seed, aligned, stacked, keep)

    monkeypatch.setattr(ate.experiments.store, "run_seed", run_seed)
    return names


@pytest.mark.slow
def test_a_bad_method_fails_alone_and_is_tried_again(experiment, tmp_path, bad):
    methods = [*METHODS[:2], MethodSpec("bad", encoder="aligned", guidance=GuidanceConfig(lam=1.0, energy_at="x_t"))]
    found = run(ask(experiment, methods), tmp_path, HERE, "ate sweep file.yaml")
    assert [r.method for r in found.results] == ["direct", "scratch"]
    (failed,) = found.failed
    said = json.loads(failed.file.read_text())
    assert failed.file == tmp_path / "failed" / f"{failed.cell.key[:16]}.json"
    assert (said["method"], said["seed"], said["command"]) == ("bad", 0, "ate sweep file.yaml")
    assert (said["type"], said["message"]) == ("FloatingPointError", "bad diverged")
    assert said["cell"] == failed.cell.key and "run_seed" in said["trace"]
    with pytest.raises(CellsFailed, match=r"1 of 3 cells have no result(.|\n)*bad, seed 0: FloatingPointError"):
        found.whole()
    with pytest.warns(CellsMissing, match="bad diverged"):
        assert found.paired() == list(found.results)
    # The same failure again, then the cause is gone; nothing says that it ever failed.
    assert len(run(ask(experiment, methods), tmp_path, HERE).failed) == 1
    bad.clear()
    mended = run(ask(experiment, methods), tmp_path, HERE)
    assert not mended.failed and len(mended.results) == 3 and not list((tmp_path / "failed").iterdir())


@pytest.mark.slow
def test_files_that_cannot_be_read_are_the_failure_of_their_methods(experiment, tmp_path):
    """A reading of the alignment that is no alignment: found by the method that needs it."""
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "alignment.safetensors").write_bytes(b"not an alignment")
    named = replace(experiment, variants=(("mixture", str(tmp_path / "broken")),))
    methods = [METHODS[0], MethodSpec("mixture", encoder="mixture", guidance=GuidanceConfig(lam=1.0, energy_at="x_t"))]
    found = run(ask(named, methods), tmp_path / "results", HERE)
    assert [r.method for r in found.results] == ["direct"]
    assert found.failed[0].failure.type == "InputError" and "alignment.safetensors" in found.failed[0].failure.message


@pytest.mark.slow
def test_what_cannot_be_paired_is_left_out_with_a_warning(experiment, tmp_path, bad):
    """A seed without its λ = 0 method says nothing; a method without a seed says nothing of that method."""
    methods = [*METHODS[:2], MethodSpec("bad", encoder="aligned", guidance=GuidanceConfig(lam=1.0, energy_at="x_t"))]
    bad[:] = ["scratch"]
    first = run(ask(experiment, methods, (0,)), tmp_path, HERE)
    bad[:] = ["direct"]
    found = run(ask(experiment, methods, (1,)), tmp_path, HERE)
    with pytest.raises(CellsFailed, match="1 of 3"):
        found.paired()
    bad[:] = ["direct", "scratch"]
    found = run(ask(experiment, methods, (0, 1, 2)), tmp_path, HERE)
    # Seed 2 has only "bad", seed 1 no λ = 0, seed 0 no scratch.
    assert sorted((f.cell.method.name, f.cell.seed) for f in found.failed) == [
        ("direct", 1), ("direct", 2), ("scratch", 0), ("scratch", 2),
    ]  # fmt: skip
    with pytest.warns(CellsMissing, match="left out: scratch, seed 1; bad, seed 1; bad, seed 2"):
        assert [(r.method, r.seed) for r in found.paired()] == [("direct", 0), ("bad", 0)]
    assert first.results[0] in found.results


def test_a_group_that_is_done_trains_nothing_and_removes_what_killed_writers_left(experiment, tmp_path, monkeypatch):
    group = SeedJob(experiment, tuple(cells_of(experiment, METHODS[:2], [0])), str(tmp_path))
    store = Store(tmp_path)
    leftover = tmp_path / "cells" / f".{store.file(group.cells[0]).name}.17.tmp"
    leftover.parent.mkdir()
    leftover.write_text("{")
    group()
    assert not leftover.exists() and group.missing == ()
    monkeypatch.setattr("ate.experiments.store.run_seed", lambda *_: 1 / 0)
    group()
    assert [part.cells for part in replace(group, folder=str(tmp_path / "new")).split()] == [
        (cell,) for cell in group.cells
    ]


@pytest.mark.slow
def test_a_file_of_another_cell_is_refused(experiment, tmp_path):
    found = run(ask(experiment, METHODS[:1]), tmp_path, HERE).results[0]
    cell = cells_of(experiment, METHODS[:1], [0])[0]
    write_json(Store(tmp_path).file(cell), replace(found, cell="0" * 64).to_tree())
    with pytest.raises(InputError, match="the result of cell 0000"):
        run(ask(experiment, METHODS[:1]), tmp_path, HERE)
