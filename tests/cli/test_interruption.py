"""Ctrl-C in commands: one sentence that says how to go on, exit code 130, no traceback; and going on works."""

import json
import os
import shlex
import signal
import subprocess
import sys
import time

import pytest

from ate.cli.interruption import EXIT_CODE, words
from ate.cli.main import COMMANDS, main
from tests.cli.conftest import aligning


def interrupt(arguments, ready=None):
    """Start a command in a process of its own, and press Ctrl-C in its terminal once `ready` says so, or it speaks."""
    process = subprocess.Popen(
        [sys.executable, "-m", "ate", *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True, env=os.environ,
        # A suite in the background of a script ignores interrupts, and so would its children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    if ready is None:
        ready = process.stdout.readline
    end = time.monotonic() + 90
    while not ready() and process.poll() is None and time.monotonic() < end:
        time.sleep(0.05)
    assert process.poll() is None, process.communicate()[1]
    # Ctrl-C reaches every process of the terminal, workers too.
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=90)
    return process.returncode, errors


@pytest.mark.slow
def test_an_interrupted_alignment_says_how_to_go_on_and_goes_on(sets, tmp_path):
    out = tmp_path / "out"
    command = aligning(sets, out, 4000)
    code, said = interrupt(command, lambda: (out / "pretrain" / "status.json").exists())
    assert code == EXIT_CODE and "Traceback" not in said
    assert said.strip().splitlines()[-1].endswith(shlex.join(["ate", *map(str, command)]))
    status = json.loads((out / "pretrain" / "status.json").read_text())
    assert status["state"] == "stopped" and status["step"] > 0
    # Going on begins at the step where it stopped.
    time.sleep(0.1)
    code, _ = interrupt(
        command, lambda: json.loads((out / "pretrain" / "status.json").read_text())["state"] == "running"
    )
    again = json.loads((out / "pretrain" / "status.json").read_text())
    assert code == EXIT_CODE and again["step"] > status["step"]


@pytest.mark.slow
@pytest.mark.parametrize("executor", ["here", "processes"])
def test_an_interrupted_sweep_says_how_to_go_on(tmp_path, executor):
    run = tmp_path / "run"
    command = ["sweep", "--profile", "smoke", "--run", run, "--executor", executor, "--rollouts", "1"]
    code, said = interrupt(command, lambda: any(run.rglob("status.json")))
    assert code == EXIT_CODE and "Traceback" not in said
    assert said.strip().splitlines()[-1].endswith(shlex.join(["ate", *map(str, command)]))


@pytest.mark.kernel
@pytest.mark.slow
def test_an_interrupted_notebook_shows_nothing_of_its_kernels_end(sets, tmp_path):
    run = tmp_path / "run"
    given = [
        word for name, folder in zip(("pretrain", "adapt"), sets, strict=True) for word in ("-p", f"{name}={folder}")
    ]
    command = ["run", "--profile", "smoke", "--only", "01", "--run", run, *given]
    # Amid the cells: one of them has drawn its figure.
    code, errors = interrupt(command, lambda: any(run.glob("figures/01_*")))
    assert code == EXIT_CODE and "Traceback" not in errors
    assert shlex.join(["ate", *map(str, command)]) in errors


@pytest.mark.slow
def test_watch_ends_and_leaves_the_run_alone(sets, tmp_path):
    out = tmp_path / "out"
    words_ = [str(word) for word in aligning(sets, out, 10**6)]
    process = subprocess.Popen([sys.executable, "-m", "ate", *words_], stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL, start_new_session=True)  # fmt: skip
    try:
        end = time.monotonic() + 60
        while not (out / "pretrain" / "status.json").exists() and time.monotonic() < end:
            time.sleep(0.05)
        code, said = interrupt(["watch", out])
        assert code == EXIT_CODE and "Traceback" not in said and "--stop" in said and process.poll() is None
    finally:
        process.terminate()
        process.wait(60)


def test_every_command_answers_an_interrupt(monkeypatch, capsys):
    for name, (module, attribute) in COMMANDS.items():
        command = getattr(__import__(module, fromlist=[attribute]), attribute)

        def pressed(*_, **__):
            raise KeyboardInterrupt

        monkeypatch.setattr(command, "invoke", pressed)
        monkeypatch.setattr(command, "parse_args", lambda ctx, args: args)
        with pytest.raises(SystemExit) as ended:
            main([name, "some where", "--flag"])
        said = capsys.readouterr().err
        assert ended.value.code == EXIT_CODE and "Traceback" not in said
        assert shlex.join(["ate", name, "some where", "--flag"]) in said


def test_an_alignment_by_a_file_needs_its_resume():
    assert "resume: True" in words(["align", "--config", "a.yaml"]) and "resume" not in words(["align", "--adapt", "a"])
    assert "--stop" in words(["watch", "runs/a"]) and words([]).endswith("ate")
