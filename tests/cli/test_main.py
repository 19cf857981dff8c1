"""The command line as a user meets it: exit codes, one message, nothing written; also in processes of its own."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ate.cli.main import COMMANDS, RENAMED, cli, main
from ate.runs.directory import CONTENTS
from tests.conftest import write_episode

# Without `site`, whose hooks import packages of their own, modules are found along the same paths.
PATHS = {**os.environ, "PYTHONPATH": os.pathsep.join(["", *filter(None, sys.path)])}


def ate(*arguments: object, cwd: Path | None = None, before: str = "pass") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", f"{before}\nfrom ate.cli.main import main; main()", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=os.environ, timeout=300)


@pytest.fixture
def ate_here(capsys, monkeypatch):
    """The command in this process, in which no notebook may start: arguments → exit code and stderr."""

    def no_notebook(*_, **__):
        raise AssertionError("a notebook was started")

    monkeypatch.setattr("papermill.execute_notebook", no_notebook)

    def run(*arguments: object) -> tuple[int, str]:
        with pytest.raises(SystemExit) as ended:
            main(list(map(str, arguments)))
        return ended.value.code, capsys.readouterr().err

    return run


def walk(seed, steps=40, dof=7):
    return np.cumsum(np.random.default_rng(seed).normal(size=(steps, dof)) * 0.01, 0).astype(np.float32)


def missing(folder):
    return folder / "nowhere"


def not_hdf5(folder):
    write_episode(folder, 0, walk(0))
    (folder / "episode_0001.hdf5").write_bytes(b"\x89PNG not hdf5")
    return folder


def no_qpos(folder):
    import h5py

    write_episode(folder, 0, walk(0))
    with h5py.File(folder / "episode_0001.hdf5", "w") as handle:
        handle["observations/qpos"] = walk(1)
    return folder


def wrong_width(folder):
    for i in range(3):
        write_episode(folder, i, walk(i, dof=6 if i == 1 else 7))
    return folder


def nan(folder):
    bad = walk(1)
    bad[7, 3] = np.nan
    write_episode(folder, 0, walk(0))
    write_episode(folder, 1, bad)
    return folder


def too_short(folder):
    for i in range(3):
        write_episode(folder, i, walk(i, steps=9))
    return folder


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (missing, ["nowhere", "no such folder"]),
        (not_hdf5, ["episode_0001.hdf5", "HDF5", "exclude episode_0001"]),
        (no_qpos, ["episode_0001.hdf5", "'qpos'", "observations"]),
        (wrong_width, ["episode_0001.hdf5", "6 columns", "exclude"]),
        (nan, ["episode_0001.hdf5", "row 7, column 3"]),
        (too_short, ["9 to 9 steps", "16", "chunk length of at most 9"]),
    ],
)
@pytest.mark.slow
def test_bad_data_end_with_one_message_and_nothing_written(ate_here, tmp_path, make, words):
    adapt = make(tmp_path / "data")
    code, message = ate_here("run", "--profile", "smoke", "--run", tmp_path / "run", "-p", f"adapt={adapt}")
    assert code == 2 and message.count("Error:") == 1 and "Fix:" in message
    for word in words:
        assert word in message
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_process_of_its_own_ends_without_a_traceback(tmp_path):
    done = ate("run", "--profile", "smoke", "--run", tmp_path / "run", "-p", f"adapt={nan(tmp_path / 'data')}")
    assert done.returncode == 2 and done.stderr.startswith("Error:") and "Traceback" not in done.stderr
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["-p", "lam=-1"], "guidance, lam"),
        (["-p", "lams=0.5,-2"], "guidance, lam"),
        (["-p", "clamp=0"], "guidance, clamp"),
        (["-p", "align=papr"], "did you mean 'paper'"),
        (["-p", "lamb=2"], "did you mean 'lam'"),
        (["-p", "steps=many"], "steps in -p: got 'many'; expected a whole number"),
        (["-p", "steps"], "NAME=VALUE"),
        (["-p", "parameterizations=sample,flo"], "flow_noise_at_1"),
        (["-p", "exclude=episode_999"], "exclude list"),
        (["-p", "source=actions"], "did you mean 'action'"),
        (["--only", "05"], "valid names are 01, 02, 03, 04"),
    ],
)
@pytest.mark.slow
def test_bad_parameters_end_with_one_message_and_nothing_written(ate_here, tmp_path, arguments, words):
    code, message = ate_here("run", "--profile", "smoke", "--run", tmp_path / "run", *arguments)
    assert code == 2 and words in message and message.count("Error:") == 1
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_mistyped_parameter_is_refused_before_anything_heavy_is_imported(tmp_path):
    done = ate("run", "-p", "lamb=2", "--run", tmp_path / "run", before="import atexit, sys; atexit.register(lambda: "
               "print([m for m in ('torch', 'papermill', 'plotly', 'sklearn') if m in sys.modules]))")  # fmt: skip
    assert done.returncode == 2 and "did you mean 'lam'" in done.stderr and done.stdout.strip() == "[]"
    assert not (tmp_path / "run").exists()


def test_unknown_profile_and_command_are_refused(ate_here, tmp_path):
    code, message = ate_here("run", "--profile", "dmo", "--run", tmp_path / "run")
    assert code == 2 and "did you mean 'demo'" in message and not (tmp_path / "run").exists()
    code, message = ate_here("runn")
    assert code == 2 and "did you mean 'run'" in message and message.startswith("Error: ")


@pytest.mark.parametrize(("former", "name"), RENAMED.items())
def test_a_former_command_names_the_one_of_today(ate_here, former, name):
    code, message = ate_here(former, "--run", "anything")
    assert code == 2 and f"ate {former} is now ate {name}" in message
    assert name in COMMANDS and former not in COMMANDS


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_begins_with_one_line_of_purpose(name):
    command = cli.get_command(None, name)
    purpose = (command.help or "").split("\n\n")[0].strip()
    assert command.name == name and purpose.endswith(".") and "\n" not in purpose and len(purpose) <= 110


@pytest.mark.parametrize("content", CONTENTS)
@pytest.mark.parametrize("command", [
    ["run", "--profile", "smoke", "--only", "01", "--run"], ["compare", "--profile", "smoke", "--run"],
    ["sweep", "--profile", "smoke", "--run"], ["report"], ["curve"], ["watch"], ["track"],
])  # fmt: skip
def test_a_run_folder_of_an_earlier_version_is_refused_and_left_as_it_is(tmp_path, command, content, capsys):
    (tmp_path / content).mkdir()
    (tmp_path / content / "01.json").write_text("{}")
    with pytest.raises(SystemExit) as end:
        main([*command, str(tmp_path)])
    error = capsys.readouterr().err
    assert end.value.code == 2 and error.count("Error:") == 1 and str(tmp_path) in error and "format 1" in error
    assert [f.relative_to(tmp_path).as_posix() for f in tmp_path.rglob("*")] == [content, f"{content}/01.json"]


def test_report_of_a_folder_that_no_run_wrote_is_refused(ate_here, tmp_path):
    code, message = ate_here("report", tmp_path)
    assert code == 2 and "headlines" in message and not list(tmp_path.iterdir())


@pytest.mark.slow
def test_demos_refuses_unknown_robots_and_existing_folders(tmp_path):
    done = ate("demos", "--robot", "pandas", "--task", "lift", "--out", tmp_path / "x")
    assert done.returncode == 2 and "did you mean 'panda'" in done.stderr and not (tmp_path / "x").exists()
    (tmp_path / "y").mkdir()
    (tmp_path / "y" / "mine.txt").write_text("keep")
    done = ate("demos", "--robot", "panda", "--task", "lift", "--episodes", "1", "--out", tmp_path / "y")
    assert done.returncode == 2 and [f.name for f in (tmp_path / "y").iterdir()] == ["mine.txt"]


def test_import_is_light():
    """`import ate` loads nothing but itself and the loader of its rooms."""
    code = "import sys, ate; print({m.split('.')[0] for m in sys.modules} - sys.stdlib_module_names - {'__main__'})"
    done = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, check=True, env=PATHS)
    assert eval(done.stdout) == {"ate", "lazy_loader"}


@pytest.mark.slow
def test_core_rooms_import_without_extras():
    code = (
        "import sys\nfor absent in ('plotly', 'mujoco', 'umap', 'pandas', 'papermill'): sys.modules[absent] = None\n"
        "import ate.align.stages, ate.steer.finetuning, ate.policies.policy, ate.data.chunks, ate.experiments.seed_run"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


@pytest.mark.slow
def test_a_console_without_greek_letters_shows_question_marks_and_goes_on():
    command = [sys.executable, "-c", "from ate.cli.main import main; main()", "sweep", "--help"]
    narrow = {**os.environ, "PYTHONIOENCODING": "cp1252"}
    done = subprocess.run(command, capture_output=True, env=narrow, timeout=300)
    assert done.returncode == 0 and b"? axis" in done.stdout, done.stderr.decode()
