"""What the documents and docstrings say exists, exists: links, names, commands, options, make targets, modules."""

import ast
import re
import shlex
import textwrap
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import click
import pytest

from ate.align.config import AlignConfig
from ate.cli.main import COMMANDS
from ate.experiments.settings import PROFILES, ROOT, Settings
from ate.experiments.sweep import Sweep
from ate.steer import GuidanceConfig

PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
FOLDERS = [ROOT / name for name in ("data/README.md", "tests/golden/README.md", "tests/real/README.md")]
MODULES = sorted((ROOT / "ate").rglob("*.py"))
# Whose fields an option of the form NAME=VALUE sets.
OWNERS = {
    "run -p": (Settings, GuidanceConfig),
    "align -p": (AlignConfig,),
    "sweep --axis": (Sweep, GuidanceConfig),
}


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


@cache
def text_of(path: Path) -> str:
    """A page as it is; of a module all docstrings."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        return text
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    found = [ast.get_docstring(node) for node in ast.walk(ast.parse(text)) if isinstance(node, documented)]
    return "\n\n".join(docstring for docstring in found if docstring)


def resolve(path: str):
    parts = path.split(".")
    for cut in range(len(parts), 0, -1):
        try:
            value = import_module(".".join(parts[:cut]))
        except ModuleNotFoundError:
            continue
        for name in parts[cut:]:
            # A field without a default is no attribute of its class.
            value = value.__dataclass_fields__[name] if name in dir_of_fields(value) else getattr(value, name)
        return value
    raise AssertionError(path)


def dir_of_fields(value) -> dict:
    return getattr(value, "__dataclass_fields__", {})


def commands(text: str) -> list[str]:
    """Command lines of `ate`: indented, after a prompt's colon, or between backticks."""
    joined = re.sub(r"\\\n\s*", " ", text)
    indented = re.findall(r"^ {4,}((?:python -m )?ate [a-z].*)$", joined, re.M)
    # A command between backticks may be broken over lines.
    inline = [" ".join(found.split()) for found in re.findall(r"`((?:python -m )?ate [a-z][^`]*)`", joined)]
    return [line.removeprefix("python -m ") for line in [*indented, *inline]]


def check_command(line: str) -> None:
    words = shlex.split(line, comments=True)
    assert words[1] in COMMANDS, line
    module, attribute = COMMANDS[words[1]]
    command = getattr(import_module(module), attribute)
    if isinstance(command, click.Group) and words[2:]:
        assert words[2] in command.commands, line
        command = command.commands[words[2]]
    known = {option for parameter in command.params for option in parameter.opts}
    for before, word in pairwise(words[1:]):
        if re.match(r"--?[a-z]", word):
            assert word in known | {"--help"}, line
        owners = OWNERS.get(f"{words[1]} {before}", ())
        if owners and "=" in word:
            assert any(word.split("=")[0] in dir_of_fields(owner) for owner in owners), line


def with_some(pattern: str, pages: list[Path]) -> list[Path]:
    return [page for page in pages if re.search(pattern, text_of(page))]


@pytest.mark.parametrize("page", [*PAGES, *FOLDERS], ids=name_of)
def test_every_link_leads_somewhere(page):
    for target in re.findall(r"(?:\]\(|(?:src|href)=\")([^)#\s\"]+)", text_of(page)):
        assert target.startswith("https://") or (page.parent / target).exists(), target


@pytest.mark.parametrize(
    "page", with_some(r"\b(docs|tests|benchmarks|notebooks)/[\w/]+\.\w+", [*PAGES, *MODULES]), ids=name_of
)
def test_every_file_that_is_named_exists(page):
    for target in re.findall(
        r"(?<![\w/])(?:docs|tests|benchmarks|notebooks)/[\w/-]+\.(?:md|py|ipynb|png|json)\b", text_of(page)
    ):
        assert (ROOT / target).exists(), target


@pytest.mark.parametrize("page", with_some(r"`ate\.\w", [*PAGES, *FOLDERS, *MODULES]), ids=name_of)
def test_every_name_resolves(page):
    for name in sorted(set(re.findall(r"`(ate(?:\.\w+)+)", text_of(page)))):
        assert resolve(name) is not None


@pytest.mark.parametrize("page", with_some(r"\bate [a-z]+", [*PAGES, *FOLDERS, *MODULES]), ids=name_of)
def test_every_command_exists_with_its_options(page):
    for line in commands(text_of(page)):
        check_command(line)


@pytest.mark.parametrize("page", with_some(r"\bmake [a-z]", [*PAGES, *FOLDERS, *MODULES]), ids=name_of)
def test_every_make_target_exists(page):
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"(?:`|^ {4})make ([a-z-]+)", text_of(page), re.M):
        assert re.search(rf"^{target}:", makefile, re.M), target


@pytest.mark.parametrize("page", with_some(r"python -m ", [*PAGES, ROOT / "Makefile", *MODULES]), ids=name_of)
def test_every_module_that_is_run_exists(page):
    modules = set(re.findall(r"python -m ((?:ate|tests|benchmarks)[\w.]*)", text_of(page)))
    assert [module for module in modules if find_spec(module) is None] == []


def test_the_list_of_commands_is_the_list_of_commands():
    listed = re.findall(r"^\| `ate (\w+)` \|", (ROOT / "docs" / "cli.md").read_text(), re.M)
    assert sorted(listed) == sorted(COMMANDS)


def test_the_readme_names_what_a_newcomer_needs():
    targets = set(re.findall(r"\bmake ([a-z]+)\b", (ROOT / "README.md").read_text()))
    assert {"run", "test", "quick", "venv", "lab", "data", "bench"} <= targets


def test_ci_runs_the_readmes_test_command():
    assert (ROOT / ".ci" / "run").read_text().splitlines()[-1] == "make test"


@pytest.mark.parametrize("profile", PROFILES)
def test_profiles_are_named_after_themselves_and_point_at_shipped_data(profile):
    settings = PROFILES[profile]
    assert settings.profile == profile and settings.directory == ROOT / "runs" / profile
    assert len(list((ROOT / "data").rglob("*.hdf5"))) == 1800


@pytest.mark.slow
def test_readmes_python_code_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    exec(compile(code, "README.md", "exec"), {"__name__": "readme"})  # our own document


@pytest.mark.slow
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


@pytest.mark.slow
def test_the_policy_of_the_page_is_diagnosed_and_rolled_out(monkeypatch, capsys):
    """docs/policy.md runs as it stands."""
    monkeypatch.chdir(ROOT)
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "policy.md").read_text(), re.S)
    exec(compile(code, "policy.md", "exec"), {"__name__": "policy"})  # our own document
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("FAIL") and "elbow_joint" in lines[1] and lines[2] == "0.0"
