"""A study in a simulator of the user's own: rolled out, compared, diagnosed; and what does not fit refused early."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ate.data import load
from ate.diagnose.checks import diagnose_seed
from ate.errors import InputError
from ate.experiments import MethodSpec
from ate.experiments.kept_policies import seed_runs
from ate.experiments.observability import BLIND
from ate.experiments.preparation import preflight
from ate.experiments.replay import replay_in
from ate.experiments.seed_run import simulated
from ate.experiments.settings import SHIPPED, settings
from ate.experiments.store import cells_of
from ate.experiments.study import prepare
from ate.experiments.summary import bottom_line, method_rows
from ate.steer.evaluation import Evaluation
from ate.viz.report.section import Section
from ate.viz.widgets.rollouts import show_rollouts
from tests import sim
from tests.conftest import write_episode
from tests.sim.reach import Reach

REACH = f"gym:{Path(sim.__file__).with_name('reach.py')}:Reach-v0,qpos=agent/at,state=goal"
SMALL = {
    "profile": "smoke", "simulator": REACH, "parameterizations": "sample", "pretrain_steps": 300, "steps": 60,
    "seeds": 2, "rollouts": 6, "horizon": 8, "demonstrations": 6, "workers": 1, "executor": "here",
}  # fmt: skip


def record(folder, robot, episodes, swapped, state=True):
    """Straight ways to the goal; one robot calls the axes otherwise."""
    for seed in range(100, 100 + episodes):
        env, rows = Reach(), []
        env.reset(seed=seed)
        for _ in range(30):
            rows.append(env.at.copy())
            env.step(env.goal)
        qpos = np.array(rows)
        goal = {"state": np.repeat(env.goal[None], len(qpos), 0).astype("f4")} if state else {}
        qpos = np.stack([-qpos[:, 1], qpos[:, 0]], 1) if swapped else qpos
        write_episode(folder, seed, qpos.astype("f4"), robot=robot, joint_names=["x", "y"], rate_hz=10.0, seed=seed,
                      units="m", **goal)  # fmt: skip


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reach")
    record(folder / "old", "old", 16, swapped=True)
    record(folder / "new", "new", 10, swapped=False)
    record(folder / "stateless", "new", 4, swapped=False, state=False)
    return folder


def chosen(data, run, **more):
    return settings({**SMALL, "run": str(run), "pretrain": str(data / "old"), "adapt": str(data / "new"), **more})


@pytest.fixture(scope="module")
def study(data, tmp_path_factory):
    return prepare(chosen(data, tmp_path_factory.mktemp("run")))


@pytest.mark.slow
def test_methods_are_rolled_out_paired_replayed_and_diagnosed(study):
    methods = study.methods()
    results = study.compare(methods)
    assert {r.method for r in results} >= {"direct", "published shift"}
    assert all(len(r.success) == 6 and r.closest == () for r in results)
    rows = {row["method"]: row for row in method_rows(results)}
    assert len(rows) == len(methods) and all("success" in row for row in rows.values())
    line = bottom_line(results, study.adapt.robot, (), study.blind)
    assert "direct" in line and BLIND not in line and "gym:Reach-v0" in study.about
    direct = next(r for r in results if r.method == "direct")
    done = replay_in(study, direct)
    assert done.faithful and done.rollouts.tracks.qpos.shape[2] == 2
    trained = seed_runs(study, [r for r in results if r.method == "direct"])["sample"]
    assert trained.kept
    evaluation = Evaluation(trained.held_out, 10, rollouts=3, simulator=REACH)
    measured = evaluation.of(trained.trained["direct"].policy)
    assert set(measured) == {"error", "success"} and 0 <= measured["success"] <= 1
    diagnosis = diagnose_seed(trained, "direct", simulator=REACH)
    (sent,) = [check for check in diagnosis.checks if check.check == "replay"]
    assert sent.level == "PASS" and "episodes succeed" in sent.got
    for image in ("", ",image=render"):
        pictured = replace(study, settings=replace(study.settings, simulator=REACH + image))
        section = Section.begin(pictured.settings, "03", displayed=False)
        show_rollouts(pictured, {"sample": trained}, section)
        (kept,) = section.run.films() if image else section.run.figures()
        assert "of 6 rollouts succeed" in kept["caption"]
        assert image or {trace["type"] for trace in json.loads(kept["figure"])["data"]} == {"scatter"}


@pytest.mark.slow
def test_a_study_without_a_simulator_keeps_its_keys(study):
    """The key of a finished cell must not change because there are simulators now."""
    plain = replace(study.settings, simulator="")
    without, with_one = (replace(study, settings=s).experiment("sample") for s in (plain, study.settings))
    assert without.task == "" and set(vars(without)) == set(vars(with_one))
    methods, seeds = [MethodSpec("direct")], [0]
    (key,), (own,) = (cells_of(e, methods, seeds) for e in (without, with_one))
    assert key.key != own.key
    elsewhere = replace(with_one, task=f"{REACH},timeout=7,image=render")
    assert cells_of(elsewhere, methods, seeds)[0].key == own.key


@pytest.mark.slow
def test_what_does_not_fit_is_refused_before_anything_is_trained(data, tmp_path):
    def refused(**more):
        with pytest.raises(InputError) as caught:
            preflight(chosen(data, tmp_path / "run", **more), strict=False)
        return caught.value

    without = refused(adapt=str(data / "stateless"))
    assert "stateless" in without.where and "blind=true" in without.fix
    assert "agent/at" in refused(simulator=REACH.replace("agent/at", "agent/att")).expected
    assert "goal [2]" in refused(simulator=REACH.replace(",state=goal", "")).fix
    assert refused(simulator=REACH.replace("state=goal", "state=goal+goal")).got == "a state of 4 columns"
    assert "'new'" in refused(task="lift", simulator="").got
    assert refused(task="lfit", simulator="").fix.startswith("did you mean 'lift'")


@pytest.mark.slow
def test_a_policy_that_sees_only_joints_is_called_blind_and_rolls_out(data, tmp_path):
    given = {"adapt": str(data / "stateless"), "blind": True, "demonstrations": 3, "pretrain_steps": 5, "steps": 3}
    blind = prepare(chosen(data, tmp_path / "run", **given))
    results = blind.compare([MethodSpec("direct")])
    assert blind.blind and all(len(r.success) == 6 for r in results)
    assert bottom_line(results, "new", (), blind.blind).startswith(BLIND)


def test_a_task_of_another_text_is_mapped_to_a_simulated_one():
    lift = replace(load(SHIPPED / "lift" / "adapt" / "ur5e"), task="lift the red cube")
    assert not simulated(lift) and simulated(lift, "lift") and not simulated(replace(lift, robot="new"), "lift")
    assert settings({"profile": "smoke", "task": "lift"}).rolled_out_in == "lift"
