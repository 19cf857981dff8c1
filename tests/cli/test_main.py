"""The command line as a user meets it: in processes of its own, with exit codes."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from ate.cli.main import COMMANDS, RENAMED, cli, main
from ate.experiments.settings import SHIPPED
from ate.runs.directory import CONTENTS
from tests.conftest import write_episode

ADAPT = SHIPPED / "lift" / "adapt" / "ur5e"


def ate(*arguments: object, cwd: Path | None = None, before: str = "pass") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", f"{before}\nfrom ate.cli.main import main; main()", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=os.environ, timeout=300)


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
        (not_hdf5, ["episode_0001.hdf5", "HDF5", "exclude it"]),
        (no_qpos, ["episode_0001.hdf5", "'qpos'", "observations"]),
        (wrong_width, ["episode_0001.hdf5", "6 columns", "exclude"]),
        (nan, ["episode_0001.hdf5", "row 7, column 3"]),
        (too_short, ["9 to 9 steps", "16", "chunk length of at most 9"]),
    ],
)
def test_bad_data_end_with_one_message_and_nothing_written(tmp_path, make, words):
    adapt = make(tmp_path / "data")
    done = ate("run", "--profile", "smoke", "--run", tmp_path / "run", "-p", f"adapt={adapt}")
    assert done.returncode == 2, done.stderr
    assert done.stderr.count("Error:") == 1 and "Traceback" not in done.stderr and "Fix:" in done.stderr
    for word in words:
        assert word in done.stderr
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["-p", "lam=-1"], "λ of 0 or more"),
        (["-p", "lams=0.5,-2"], "λ of 0 or more"),
        (["-p", "clamp=0"], "positive clamp"),
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
def test_bad_parameters_end_with_one_message_and_nothing_written(tmp_path, arguments, words):
    began = time.monotonic()
    done = ate("run", "--profile", "smoke", "--run", tmp_path / "run", *arguments)
    assert done.returncode == 2 and words in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "run").exists()
    # No figure of speed, but a bound that only waiting for a notebook to start would break.
    assert time.monotonic() - began < 60


def test_a_mistyped_parameter_is_refused_before_anything_heavy_is_imported(tmp_path, capsys):
    began = time.perf_counter()
    done = ate("run", "-p", "lamb=2", "--run", tmp_path / "run", before="import atexit, sys; atexit.register(lambda: "
               "print([m for m in ('torch', 'papermill', 'plotly', 'sklearn') if m in sys.modules]))")  # fmt: skip
    with capsys.disabled():
        print(f"\nate run -p lamb=2: refused in {time.perf_counter() - began:.1f} s")
    assert done.returncode == 2 and "did you mean 'lam'" in done.stderr and done.stdout.strip() == "[]"
    assert not (tmp_path / "run").exists()


def test_unknown_profile_and_command_are_refused(tmp_path):
    done = ate("run", "--profile", "dmo", "--run", tmp_path / "run")
    assert done.returncode == 2 and "did you mean 'demo'" in done.stderr and not (tmp_path / "run").exists()
    done = ate("runn")
    assert done.returncode == 2 and "did you mean 'run'" in done.stderr and done.stderr.startswith("Error: ")


@pytest.mark.parametrize(("former", "name"), RENAMED.items())
def test_a_former_command_names_the_one_of_today(former, name):
    done = ate(former, "--run", "anything")
    assert done.returncode == 2 and f"ate {former} is now ate {name}" in done.stderr
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


def test_report_of_a_folder_that_no_run_wrote_is_refused(tmp_path):
    done = ate("report", tmp_path)
    assert done.returncode == 2 and "headlines" in done.stderr and not list(tmp_path.iterdir())


def test_demos_refuses_unknown_robots_and_existing_folders(tmp_path):
    done = ate("demos", "--robot", "pandas", "--task", "lift", "--out", tmp_path / "x")
    assert done.returncode == 2 and "did you mean 'panda'" in done.stderr and not (tmp_path / "x").exists()
    (tmp_path / "y").mkdir()
    (tmp_path / "y" / "mine.txt").write_text("keep")
    done = ate("demos", "--robot", "panda", "--task", "lift", "--episodes", "1", "--out", tmp_path / "y")
    assert done.returncode == 2 and [f.name for f in (tmp_path / "y").iterdir()] == ["mine.txt"]


def test_import_is_light():
    """`import ate` in a fresh process: no torch, and well under half a second of its own."""
    code = (
        "import time; t = time.perf_counter(); import ate; s = time.perf_counter() - t; import sys; "
        "print(s, [m for m in ('torch', 'plotly', 'mujoco', 'umap', 'sklearn', 'diffusers') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    seconds, loaded = done.stdout.split(maxsplit=1)
    assert loaded.strip() == "[]" and float(seconds) < 0.5


@pytest.mark.parametrize("absent", ["plotly", "mujoco", "umap"])
def test_core_rooms_import_without_extras(absent):
    code = (
        f"import sys; sys.modules[{absent!r}] = None\n"
        "import ate.align.stages, ate.steer.finetuning, ate.policies.policy, ate.data.chunks, ate.experiments.seed_run"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
