"""The gate and the run folder: what the doctor calls FAIL does not train, and a folder keeps to its data."""

import json
import re
import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import nbformat
import numpy as np
import pytest
from click.testing import CliRunner

from ate.batch.notebooks import NOTEBOOKS
from ate.cli.main import cli
from ate.data import load, load_sets
from ate.errors import InputError
from ate.experiments import admission
from ate.experiments.preparation import OtherTask, mixes_tasks, preflight
from ate.experiments.settings import ROOT, Settings, settings
from ate.policies import build
from ate.runs.directory import RunDirectory
from ate.runs.files import write_json
from ate.viz.report.write import write_report
from tests.data.doctor.planted import copy
from tests.data.test_units import calibration, so101

DEGREES = "units.degrees"
STUDY = ("run", "compare", "sweep")


def degrees(_: int, arrays: dict[str, np.ndarray], __: dict[str, object]) -> None:
    """Arms in degrees under files that say radians."""
    for name in ("qpos", "action"):
        arrays[name][:, :6] *= np.float32(180 / np.pi)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two pre-training robots, and a new one clean and in degrees."""
    folder = tmp_path_factory.mktemp("data")
    for robot in ("panda", "xarm6"):
        copy(f"lift/pretrain/{robot}", folder / "old" / robot, episodes=6)
    copy("lift/adapt/ur5e", folder / "new", episodes=6)
    copy("lift/adapt/ur5e", folder / "bad", degrees, 6)
    return folder


def chosen(data: Path, run: Path, adapt: str = "new", **more: object) -> Settings:
    return settings({"profile": "smoke", "run": str(run), "pretrain": str(data / "old"), "adapt": str(data / adapt),
                     "executor": "here", **more})  # fmt: skip


def ate(*words: object) -> str:
    result = CliRunner().invoke(cli, [str(word) for word in words])
    if isinstance(result.exception, InputError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def words(command: str, data: Path, out: Path, adapt: str = "bad") -> list[object]:
    old, new = data / "old", data / adapt
    if command == "align":
        steps = [part for name in ("pretrain_steps", "adapt_steps") for part in ("-p", f"{name}=2")]
        return ["align", "--preset", "smoke", "--pretrain", old, "--adapt", new, "--out", out, *steps]
    if command == "steer":
        file = out.parent / "policy.safetensors"
        build(load_sets(old), 16, seed=0, width=9, hidden=16).save(file)
        return ["steer", "--policy", file, "--adapt", new, "--method", "direct", "--out", out, "--steps", 2]
    if command == "benchmark":
        return ["benchmark", "--preset", "smoke", "--variants", "untrained", "--seeds", 1, "--workers", 1,
                "--pretrain", old / "panda", "--pretrain", old / "xarm6", "--adapt", new, "--run", out]  # fmt: skip
    if command == "run":
        return ["run", "--profile", "smoke", "--run", out, "-p", f"pretrain={old}", "-p", f"adapt={new}"]
    return [command, "--profile", "smoke", "--run", out, "--pretrain", old, "--adapt", new]


@pytest.mark.parametrize("command", [*STUDY, "align", "steer", "benchmark"])
@pytest.mark.slow
def test_every_command_that_trains_refuses_what_the_doctor_fails(data, tmp_path, command):
    with pytest.raises(InputError) as refused:
        ate(*words(command, data, tmp_path / "out"))
    assert DEGREES in refused.value.got and str(data / "bad") in refused.value.where and "π/180" in refused.value.fix
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("command", ["align", "steer"])
@pytest.mark.slow
def test_accepted_by_the_codes_of_the_refusal_it_trains_and_says_so_first(data, tmp_path, command):
    given = words(command, data, tmp_path / "out")
    with pytest.raises(InputError) as refused:
        ate(*given)
    way_out = re.search(r"\((--accept) (\S+)\)", refused.value.fix)
    assert way_out is not None
    assert DEGREES in ate(*given, *way_out.groups())
    card = json.loads((tmp_path / "out" / "card.json").read_text())
    assert next(iter(card)) == "accepted" and any(DEGREES in line for line in card["accepted"])


@pytest.mark.slow
def test_an_arm_in_degrees_is_refused_or_converted(data, tmp_path):
    """SO-101 as its recorder writes it, in degrees and in per cent of its range."""
    for unit, code in (("deg", DEGREES), ("range", "units.percent")):
        folder = so101(tmp_path / unit, unit)
        given = ["align", "--preset", "smoke", "--pretrain", data / "old" / "panda", "--adapt", folder]
        given += [part for name in ("pretrain_steps", "adapt_steps") for part in ("-p", f"{name}=2")]
        with pytest.raises(InputError) as refused:
            ate(*given, "--out", tmp_path / f"raw {unit}")
        assert code in refused.value.got and not (tmp_path / f"raw {unit}").exists()
        robot = "so101" if unit == "deg" else calibration(tmp_path / "follower.json")
        ate(*given, "--robot", robot, "--out", tmp_path / f"si {unit}")
        card = json.loads((tmp_path / f"si {unit}" / "card.json").read_text())
        assert f"from {unit}" in card["converted"]["so101_follower"]


@pytest.mark.parametrize("accept", ["units.degree", "units.limits", "units"])
@pytest.mark.slow
def test_only_the_exact_code_accepts(data, tmp_path, accept):
    with pytest.raises(InputError, match=DEGREES):
        preflight(chosen(data, tmp_path / "run", "bad", accept=accept))


@pytest.mark.parametrize("number", ["02", "03", "04"])
def test_notebooks_refuse_before_they_train(data, tmp_path, number):
    notebook = nbformat.read(ROOT / "notebooks" / NOTEBOOKS[number], as_version=4)
    cells = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    given = {
        "profile": "smoke",
        "run": str(tmp_path / "run"),
        "pretrain": str(data / "old"),
        "adapt": str(data / "bad"),
    }
    namespace: dict[str, object] = dict(given)
    with pytest.raises(InputError, match=DEGREES):
        for source in cells[1:]:
            exec(source, namespace)
    assert not any((tmp_path / "run" / name).exists() for name in ("align", "policies", "results"))


def accepted(data: Path, run: Path) -> Settings:
    with pytest.raises(InputError) as refused:
        preflight(chosen(data, run, "bad"))
    codes = re.findall(r"accept=(\S+)", refused.value.fix)[0]
    return chosen(data, run, "bad", accept=codes)


@pytest.mark.slow
def test_report_and_card_begin_with_what_was_accepted(data, tmp_path):
    known = accepted(data, tmp_path / "run")
    assert not (tmp_path / "run").exists()
    found = preflight(known)
    assert {row["code"] for row in found.accepted} == set(known.accept)
    run = RunDirectory(known.directory)
    show(run, "02")
    assert next(iter(run.cards()["02"])) == "accepted"
    page = write_report(run).read_text()
    alert = '<div class="alert hurts" data-alert="accepted">'
    assert DEGREES in page[page.index(alert) : page.index("data-headline")]


def show(run: RunDirectory, key: str) -> None:
    run.save_headline(key, {"verdict": [f"shown by {key}"]})
    run.save_card(key, {"command": f"ate run --only {key}"})


@pytest.mark.slow
def test_data_are_examined_once_until_they_change(data, tmp_path, monkeypatch):
    folder = copy("lift/adapt/ur5e", tmp_path / "new", episodes=6)
    given = chosen(data, tmp_path / "run").parameters | {"adapt": str(folder)}
    calls = []
    examine = admission.failures
    monkeypatch.setattr(admission, "failures", lambda *a: calls.append(a) or examine(*a))
    for _ in range(2):
        preflight(settings(given))
    assert len(calls) == 1
    preflight(settings({**given, "exclude": "episode_0001"}))
    assert len(calls) == 2


@pytest.mark.parametrize("change", [{"adapt": "other"}, {"pretrain": "one"}, {"horizon": 8}, {"source": "action"}])
@pytest.mark.slow
def test_a_run_folder_keeps_to_its_data(data, tmp_path, change: Mapping[str, object]):
    preflight(chosen(data, tmp_path / "run"))
    show(RunDirectory(tmp_path / "run"), "02")
    copy("lift/adapt/ur5e", tmp_path / "other", lambda _, arrays, __: arrays["qpos"].__iadd__(np.float32(1e-4)), 6)
    copy("lift/pretrain/panda", tmp_path / "one" / "panda", episodes=6)
    paths = {name: str(tmp_path / str(value)) for name, value in change.items() if name in ("adapt", "pretrain")}
    changed = {**chosen(data, tmp_path / "run").parameters, **change, **paths}
    for strict in (True, False):
        with pytest.raises(InputError) as refused:
            preflight(settings(changed), strict)
        assert refused.value.where == str(tmp_path / "run")
    # The way out: another folder.
    folder = re.findall(r"--run (\S+)", refused.value.fix)[0]
    preflight(settings({**changed, "run": folder}))


@pytest.mark.slow
def test_looking_at_data_does_not_bind_a_folder_to_them(data, tmp_path):
    run = RunDirectory(tmp_path / "run")
    preflight(chosen(data, run.path, "bad"), strict=False)
    show(run, "01")
    assert DEGREES not in str(run.cards()["01"])
    # Repaired, or other data: what was shown of the former is gone.
    preflight(chosen(data, run.path))
    assert run.origin is not None and "new" in run.origin.about and not run.headlines() and not run.cards()


@pytest.mark.slow
def test_the_report_leaves_out_sections_of_other_episodes(data, tmp_path):
    run = RunDirectory(tmp_path / "run")
    preflight(chosen(data, run.path))
    for key in ("01", "02"):
        show(run, key)
    # An episode is left out: the same data, other episodes.
    preflight(chosen(data, run.path, exclude="episode_0002"))
    show(run, "03")
    page = write_report(run).read_text()
    assert [f"shown by {key}" in page for key in ("01", "02", "03")] == [True, False, True]
    assert 'data-alert="stale"' in page and "ate run --only 02" in page
    # Looking again does not change what is used; taken back, the section is of the run again.
    preflight(chosen(data, run.path), strict=False)
    assert "shown by 03" in write_report(run).read_text()
    preflight(chosen(data, run.path))
    page = write_report(run).read_text()
    assert [f"shown by {key}" in page for key in ("01", "02", "03")] == [True, True, False]


def test_folders_without_an_origin_are_bound_when_they_are_continued(data, tmp_path):
    write_json(tmp_path / "run" / "run.json", {"format": 2})
    show(RunDirectory(tmp_path / "run"), "02")
    preflight(chosen(data, tmp_path / "run"))
    origin = RunDirectory(tmp_path / "run").origin
    assert origin is not None and "made_from" not in RunDirectory(tmp_path / "run").cards()["02"]
    assert load(data / "new").robot in origin.about


def test_demonstrations_of_another_task_are_named(tmp_path: Path) -> None:
    """A batch would mix tasks that nothing tells apart; without the demonstrations there is nothing to say."""
    given = {"profile": "smoke", "run": str(tmp_path), "pretrain": "data/place/pretrain"}
    given["adapt"] = "data/lift/adapt/ur5e"
    with pytest.warns(OtherTask, match="demonstrations of lift, rollouts of place.*demonstrations=0 leaves them out"):
        preflight(settings({**given, "task": "place"}))
    with warnings.catch_warnings():
        warnings.simplefilter("error", OtherTask)
        preflight(settings({**given, "task": "place", "demonstrations": 0}))
    lift = load(given["adapt"]).select(range(1))
    assert mixes_tasks(settings({**given, "task": "place"}), lift)
    assert not mixes_tasks(settings({**given, "task": "lift"}), replace(lift, task="lift the red cube"))
    assert not mixes_tasks(settings({**given, "task": "place", "policy": "vision"}), lift)
