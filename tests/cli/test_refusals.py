"""Nothing ends in a traceback: full disks, folders without permission, mistyped names, faults of our own."""

import errno
import os
import subprocess
from contextlib import contextmanager

import pytest

from ate.cli.main import COMMANDS, TRACEBACK, main
from ate.errors import InputError
from ate.runs.checkpoint import save
from ate.runs.files import write_text
from ate.runs.refusal import number_of, refused
from tests.cli.conftest import aligning


@contextmanager
def disk(folder, kind, monkeypatch):
    """A folder on a full or a read-only disk: a small one of its own; where none may be mounted, a stand-in."""
    folder.mkdir()
    size = "size=8k" if kind == "full" else "size=1m,ro"
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", folder], capture_output=True).returncode == 0
    if mounted:
        try:
            yield folder
        finally:
            subprocess.run(["umount", "-l", folder], check=True)
        return
    number = errno.ENOSPC if kind == "full" else errno.EROFS

    def refuse(*_):
        raise OSError(number, os.strerror(number), str(folder))

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", refuse)
        patch.setattr("pathlib.Path.mkdir", refuse)
        yield folder


@pytest.fixture
def ate(capsys):
    def call(*words):
        with pytest.raises(SystemExit) as ended:
            main([str(word) for word in words])
        return ended.value.code, capsys.readouterr().err.split("Error: ", 1)[-1]

    return call


@pytest.mark.parametrize(("kind", "got"), [("full", "no space left"), ("read-only", "read-only file system")])
@pytest.mark.parametrize("command", ["align", "convert", "run", "demos"])
@pytest.mark.slow
def test_a_disk_that_refuses_ends_with_a_message(ate, sets, tmp_path, monkeypatch, kind, got, command):
    _, new = sets
    with disk(tmp_path / "disk", kind, monkeypatch) as folder:
        words = {
            "align": aligning(sets, folder / "out", 4, 4)[1:],
            "convert": [new, folder / "out"],
            "run": ["--profile", "smoke", "--run", folder / "out", "--only", "01", "-p", f"adapt={new}",
                    "-p", "blind=true"],
            "demos": ["--robot", "panda", "--task", "lift", "--episodes", "1", "--out", folder / "out"],
        }[command]  # fmt: skip
        if command == "run":
            # What a notebook writes is as large as its figures; here its first file is.
            monkeypatch.setattr("ate.batch.notebooks.preflight", lambda *_, **__: None, raising=False)
            monkeypatch.setattr("papermill.execute_notebook", lambda *_, **__: save(folder / "big", big()))
        code, said = ate(command, *words)
    assert code == 2 and "Traceback" not in said and "Fix: " in said
    parsed = InputError.parse(said.strip())
    assert parsed is not None and str(folder) in parsed.where
    assert got in parsed.got or os.strerror(errno.ENOSPC if kind == "full" else errno.EROFS) in parsed.got


def big():
    import torch

    return {"weights": torch.zeros(100_000)}


def test_what_a_library_says_of_the_systems_errors_is_read(tmp_path, monkeypatch):
    class SafetensorError(Exception):
        pass

    SafetensorError.__module__ = "safetensors"
    full = SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")
    h5 = OSError("Can't write (file write failed: errno = 28, error message = 'No space left on device')")
    assert number_of(full) == number_of(h5) == number_of(OSError(28, "full")) == errno.ENOSPC
    assert number_of(RuntimeError("os error")) is None and number_of(KeyError("a")) is None

    def write(*_, **__):
        raise full

    monkeypatch.setattr("ate.runs.checkpoint.save_file", write)
    with pytest.raises(OSError, match="No space left") as error:
        save(tmp_path / "a.safetensors", {})
    assert error.value.filename == str(tmp_path / "a.safetensors") and not list(tmp_path.iterdir())
    assert refused(error.value).got == "no space left on the device"
    wrapped = RuntimeError("worker")
    wrapped.__cause__ = PermissionError(errno.EACCES, "no", "x.json")
    assert refused(wrapped).where == "x.json" and refused(RuntimeError("worker")) is None
    assert "quota" in refused(OSError(errno.EDQUOT, "")).got and refused(OSError("odd")).got == "odd"
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError):
        write_text(tmp_path / "file" / "x", "")


def test_a_fault_of_our_own_is_one_sentence_and_can_be_seen_whole(ate, monkeypatch):
    def fail(*_, **__):
        raise ZeroDivisionError("by nothing")

    monkeypatch.setattr("ate.cli.align.align.callback", fail)
    words = ("align", "--pretrain", "a", "--adapt", "b")
    code, said = ate(*words)
    assert (
        code == 1 and "ZeroDivisionError: by nothing at " in said and f"{TRACEBACK}=1" in said and "\n" not in said[:-1]
    )
    monkeypatch.setenv(TRACEBACK, "1")
    with pytest.raises(ZeroDivisionError):
        main(list(words))
    monkeypatch.delenv(TRACEBACK)

    def no_memory(*_, **__):
        raise MemoryError

    monkeypatch.setattr("ate.cli.align.align.callback", no_memory)
    code, said = ate(*words)
    assert code == 1 and "fault of ate" not in said and "Fix: " in said


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["doktor", "data"], "doctor"),
        (["aling"], "align"),
        (["robot", "pandda"], "panda"),
        (["doctor", "data/lift/adapt/ur5e", "--robot", "pandda"], "panda"),
        (["run", "--profile", "dmeo"], "demo"),
        (["run", "-p", "stpes=2"], "steps"),
        (["sweep", "--axis", "encodr=x"], "encoder"),
        (["sweep", "--executor", "proceses"], "processes"),
        (["align", "--preset", "deom", "--pretrain", "a", "--adapt", "b"], "demo"),
        (["align", "-p", "latnt=2", "--pretrain", "a", "--adapt", "b"], "latent"),
        (["demos", "--robot", "pandda", "--task", "lift", "--out", "x"], "panda"),
        (["demos", "--robot", "panda", "--task", "lfit", "--out", "x"], "lift"),
        (["compare", "--methods", "comparsion"], "comparison"),
        (["steer", "--policy", "a", "--adapt", "b", "--guidance", "tool-moton"], "tool-motion"),
        (["steer", "--policy", "a", "--adapt", "b", "--method", "retarge"], "retarget"),
        (["steer", "--policy", "a", "--adapt", "b", "--energy-at", "xt"], "x_t"),
    ],
)
def test_a_mistyped_name_gets_the_nearest(ate, words, meant):
    code, said = ate(*words)
    assert code == 2 and f"did you mean {meant!r}" in said and said.count("Fix: ") == 1


@pytest.mark.parametrize(("option", "meant"), [("--robto", "--robot"), ("--sorce", "--source")])
def test_a_mistyped_option_gets_the_nearest(ate, option, meant):
    code, said = ate("doctor", "data", option, "x")
    assert code == 2 and meant in said


def test_every_command_is_reached_by_a_slip_of_one_letter(ate):
    for name in COMMANDS:
        code, said = ate(name[:-1] + "x")
        assert code == 2 and f"did you mean {name!r}" in said
