from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from ate.cli import run as module
from ate.experiments.answer import ANSWER, WEAK_BASE
from ate.runs.directory import RunDirectory


@pytest.mark.parametrize("light, color", [("helps", "\x1b[32m"), ("hurts", "\x1b[31m"), ("cannot tell", "\x1b[33m")])
def test_a_run_ends_with_its_doubts_its_answer_in_two_lines_and_the_report(tmp_path, monkeypatch, light, color):
    directory = RunDirectory(tmp_path / "run")
    answer = {"light": light, "sentence": "The sentence.", "settle": "The next step.", "doubts": [WEAK_BASE]}
    directory.save_headline("03", {"verdict": [], ANSWER: answer})
    directory.save_card("03", {"config": {"profile": "smoke"}})
    monkeypatch.setattr(module, "execute", lambda *_: SimpleNamespace(directory=directory.path))
    lines = CliRunner().invoke(module.run, ["--profile", "smoke"], color=True).output.splitlines()
    base, smoke, sentence, settle, report = lines
    assert base.startswith("\x1b[31mFAIL") and smoke.startswith("\x1b[33mWARN")
    assert sentence.startswith(color) and "The sentence." in sentence and settle == "The next step."
    assert str(directory.path / "report.html") in report
