"""Studies whose policies see pictures: seen data, keys of cells, and the workbench on them."""

import math
from dataclasses import replace

import numpy as np
import pytest

from ate.data import DataSet, load, load_sets
from ate.errors import InputError
from ate.experiments import sight, store
from ate.experiments.methods import MethodSpec, comparison
from ate.experiments.observability import check_observations
from ate.experiments.settings import settings
from ate.experiments.store import cells_of
from ate.experiments.study import prepare
from ate.policies import Policy
from ate.policies.vision import Encoder, Eyes, see
from ate.policies.vision.seen import seen_marks
from tests.policies.vision.conftest import TINY, scene_set


@pytest.fixture
def given(tmp_path, monkeypatch):
    """Parameters of a study of two old robots and a new one on some rows of Lift; an encoder that was never trained."""
    monkeypatch.setattr(sight, "encoder_in", lambda: Encoder(TINY).eval().requires_grad_(False))
    for robot in ("panda", "xarm6"):
        scene_set(tmp_path / "old" / robot, robot, episodes=3, rows=24)
    scene_set(tmp_path / "ur5e", "ur5e", role="adapt", episodes=4, rows=24)
    return {
        "profile": "smoke", "policy": "vision", "run": str(tmp_path / "run"), "pretrain": str(tmp_path / "old"),
        "adapt": str(tmp_path / "ur5e"), "accept": "",
    }  # fmt: skip


def test_a_study_on_a_state_is_left_as_it_is(given):
    chosen = settings({**given, "policy": "state"})
    assert sight.seen_data(chosen) is chosen and sight.replayed(chosen) == chosen.pretrain_data
    with pytest.raises(InputError) as caught:
        settings({**given, "policy": "pictures"})
    assert "vision" in caught.value.fix
    with pytest.raises(InputError) as caught:
        settings({**given, "policy": "state", "redrawn": True})
    assert "policy=vision" in caught.value.fix and settings({**given, "redrawn": True}).redrawn


@pytest.mark.slow
def test_data_are_seen_once_and_replayed_as_asked(given):
    chosen = sight.seen_data(settings(given))
    old, adapt = load_sets(chosen.pretrain), load(chosen.adapt)
    assert [s.robot for s in old] == ["panda", "xarm6"] and adapt.robot == "ur5e"
    assert len(set(seen_marks([*old, adapt]))) == 1
    assert [s.digest for s in old] == [s.digest for s in load_sets(given["pretrain"])]
    written = {file: file.stat().st_mtime_ns for file in (settings(given).directory / "vision").rglob("*.hdf5")}
    assert sight.seen_data(settings(given)) == chosen and sight.seen_data(chosen) is chosen
    redrawn = sight.seen_data(settings({**given, "redrawn": True}))
    assert redrawn.pretrain == chosen.pretrain
    again = sight.replayed(redrawn).load_sets()
    assert seen_marks(again) == [f"{mark}-ur5e" for mark in seen_marks(old)]
    assert all(file.stat().st_mtime_ns == time for file, time in written.items())


@pytest.mark.slow
def test_smoke_looks_at_few_rows(given):
    smoke, vision = (sight.seen_data(settings({**given, "profile": name})) for name in ("smoke", "vision"))
    (few, _), (every, _) = load_sets(smoke.pretrain), load_sets(vision.pretrain)
    looks = [len(np.unique(s.extra(0, "state")[:, 9:12], axis=0)) for s in (few, every)]
    assert looks == [math.ceil(24 / sight.SMOKE), 24] and few.digest == every.digest


@pytest.mark.slow
def test_demonstrations_that_nobody_saw_are_refused(given):
    chosen = sight.seen_data(settings(given))
    with pytest.raises(InputError):
        check_observations(chosen, load_sets(chosen.pretrain), load(given["adapt"]))
    with pytest.raises(InputError) as caught:
        check_observations(settings({**given, "task": "push"}), load_sets(chosen.pretrain), load(chosen.adapt))
    assert "task=push" in caught.value.got


@pytest.mark.slow
def test_pretraining_sets_that_different_eyes_saw_are_refused(given):
    chosen = sight.seen_data(settings(given))
    (old, other), new = load_sets(chosen.pretrain), load(chosen.adapt)
    check_observations(chosen, [old, other], new)
    strange = see(load_sets(given["pretrain"])[1], Eyes(Encoder(TINY, seed=1).eval(), "lift"))
    with pytest.raises(InputError) as caught:
        check_observations(chosen, [old, strange], new)
    assert caught.value.where == f"pictures of {other.robot}"


@pytest.mark.slow
def test_keys_of_cells_know_what_was_seen_and_keep_those_of_states(given, experiment, monkeypatch):
    chosen = sight.seen_data(settings({**given, "redrawn": True}))
    methods = [MethodSpec("direct")]

    def key(adapt, pretrain):
        asked = replace(experiment, adapt=DataSet(str(adapt)), pretrain=DataSet(str(pretrain)))
        return cells_of(asked, methods, [0])[0].key

    raw = key(given["adapt"], given["pretrain"])
    seen = key(chosen.adapt, chosen.pretrain)
    assert len({raw, seen, key(chosen.adapt, sight.replayed(chosen).path)}) == 3
    monkeypatch.setattr(store, "seen_marks", lambda sets: [])
    assert key(given["adapt"], given["pretrain"]) == raw == key(chosen.adapt, chosen.pretrain)


@pytest.mark.slow
def test_the_whole_workbench_runs_on_what_is_seen(given):
    study = prepare(settings({**given, "pretrain_steps": 3, "steps": 2, "rollouts": 2, "seeds": 1, "demonstrations": 2,
                              "parameterizations": "sample", "redrawn": True}))  # fmt: skip
    file = study.policies["sample"]
    assert Policy.load(file).eyes is not None and Policy.load(study.tool_policies["sample"]).eyes is not None
    names = ("direct", "retarget", "tool-motion guidance", "tool space")
    results = study.compare([m for m in comparison() if m.name in names])
    assert [r.method for r in results] == list(names) and all(len(r.success) == 2 for r in results)
    assert {base.space for base in study.bases()} == {"joints", "tool"}
