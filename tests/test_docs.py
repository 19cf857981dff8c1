"""What the documents say exists, exists."""

import re
import shlex
import textwrap
from importlib import import_module
from itertools import pairwise

import pytest

from ate.cli.main import COMMANDS
from ate.experiments.settings import PROFILES, ROOT, Settings
from ate.experiments.sweep import Sweep


def resolve(path: str):
    parts = path.split(".")
    for cut in range(len(parts), 0, -1):
        try:
            found = import_module(".".join(parts[:cut]))
        except ModuleNotFoundError:
            continue
        for name in parts[cut:]:
            found = getattr(found, name)
        return found
    raise AssertionError(path)


def documented() -> list[str]:
    names = set()
    for file in ("README.md", "docs/notation.md"):
        names |= set(re.findall(r"`(ate(?:\.\w+)+)`", (ROOT / file).read_text()))
    return sorted(names)


@pytest.mark.parametrize("name", documented())
def test_every_name_in_the_documents_resolves(name):
    assert resolve(name) is not None


def test_every_make_target_in_the_readme_exists():
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"\bmake ([a-z]+)\b", (ROOT / "README.md").read_text()))
    assert {"run", "test", "venv", "lab", "data", "bench"} <= targets
    for target in targets:
        assert re.search(rf"^{target}:", makefile, re.M), target


def test_ci_runs_the_readmes_test_command():
    assert (ROOT / ".ci" / "run").read_text().splitlines()[-1] == "make test"


def test_every_command_in_the_readme_has_its_options():
    text = (ROOT / "README.md").read_text().replace("\\\n", " ")
    lines = [line.strip() for line in text.splitlines() if line.strip().startswith("ate ")]
    assert lines
    for line in lines:
        words = shlex.split(line, comments=True)
        module, attribute = COMMANDS[words[1]]
        known = {option for parameter in getattr(import_module(module), attribute).params for option in parameter.opts}
        for before, word in pairwise(words[1:]):
            assert not word.startswith("-") or word in known, line
            if before in ("-p", "--axis"):
                owner = Settings if before == "-p" else Sweep
                assert word.split("=")[0] in owner.__dataclass_fields__, line


@pytest.mark.parametrize("profile", PROFILES)
def test_profiles_are_named_after_themselves_and_point_at_shipped_data(profile):
    settings = PROFILES[profile]
    assert settings.profile == profile and settings.directory == ROOT / "runs" / profile
    assert len(list((ROOT / "data").rglob("*.hdf5"))) == 1800


def test_readmes_python_code_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    exec(compile(code, "README.md", "exec"), {"__name__": "readme"})  # our own document


def test_the_two_lines_added_to_somebodys_training_script_are_two(tmp_path, monkeypatch, capsys):
    """docs/attach.md runs, and its guided loop is their loop, an alignment and an `attach`."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").symlink_to(ROOT / "data")
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "attach.md").read_text(), re.S)
    _, plain, _, guided = blocks
    *lines, report = guided.splitlines()
    added = [line for line in lines if "ate." in line]
    assert len(added) == 2 and "guided" in report
    rest = "\n".join(line for line in lines if line not in added)
    assert textwrap.dedent(rest).strip() == plain.strip()
    exec(compile("\n".join(blocks), "attach.md", "exec"), {"__name__": "attach"})  # our own document
    steps, verdict = capsys.readouterr().out.split()[-2:]
    assert int(steps) > 0 and verdict in ("inactive", "acting", "clamp-dominated")
