"""Ways out: commands and options that messages name exist, by click's own parser."""

import ast
import re
from importlib import import_module
from pathlib import Path

import click
import pytest

import ate
from ate.cli.main import COMMANDS, RENAMED

ROOT = Path(ate.__file__).parent
COMMAND = re.compile(r"(?<![\w/.'-])ate ([a-z]+)(?= |$|`|[.,;:)'])")
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z_-]*")
# Options of other programs, and a variable of style sheets, that texts name.
FOREIGN = {
    "--array", "--noheader", "--no-deps", "--traj-path", "--save-traj", "--allow-failure", "--obs-mode", "--repo-type",
    "--nproc_per_node", "--local-dir", "--jp-ui-font-color",
}  # fmt: skip
# Words that follow "ate" in sentences and are no commands.
WORDS = {"itself", "workbench", "is", "and"}


def spoken(node: ast.AST) -> str:
    """A text as it is written in the code, with a blank word for what is filled in."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ""
    if isinstance(node, ast.JoinedStr):
        return "".join(spoken(part) if isinstance(part, ast.Constant) else "X" for part in node.values)
    return ""


def texts(file: Path):
    """Texts of a file that are no docstrings, whole where they are joined by `+` or across lines."""
    tree = ast.parse(file.read_text())
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef)
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, documented) and node.body and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if id(node) not in docstrings and (text := spoken(node)):
            yield text


def command(name: str) -> click.Command:
    module, attribute = COMMANDS[name]
    return getattr(import_module(module), attribute)


def options(name: str) -> set[str]:
    own = command(name)
    parameters = [*own.params, *(item for part in getattr(own, "commands", {}).values() for item in part.params)]
    return {text for item in parameters for text in (*item.opts, *item.secondary_opts)} | {"--help"}


def wrong(text: str) -> list[str]:
    """What a text names and does not exist: commands, and options of the command before them."""
    pieces = COMMAND.split(text)
    every = set().union(*(options(name) for name in COMMANDS))
    faults = [f"option {o}" for o in OPTION.findall(pieces[0]) if o not in every | FOREIGN]
    for name, rest in zip(pieces[1::2], pieces[2::2], strict=True):
        if name in WORDS or name in RENAMED:
            continue
        if name not in COMMANDS:
            faults.append(f"command {name}")
            continue
        # A sentence later, an option may be any command's.
        own, _, later = re.sub(r"\.\.\.|…", "", rest).partition(". ")
        faults += [f"option {o} of {name}" for o in OPTION.findall(own) if o not in options(name) | FOREIGN]
        faults += [f"option {o}" for o in OPTION.findall(later) if o not in every | FOREIGN]
    return faults


@pytest.mark.parametrize("room", sorted(path.name for path in ROOT.iterdir() if path.is_dir() and path.name[0] != "_"))
@pytest.mark.slow
def test_commands_and_options_in_texts_exist(room):
    faults = {
        f"{file.relative_to(ROOT)}: {text}": found
        for file in sorted((ROOT / room).rglob("*.py"))
        for text in texts(file)
        if (found := wrong(text))
    }
    assert faults == {}


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("run ate doctor X --exclude-out list.txt", []),
        ("run ate doctor X --exclude-uot list.txt", ["option --exclude-uot of doctor"]),
        ("ate doktor X", ["command doktor"]),
        ("ate convert A B --robot X. Else give --rate", []),
        ("give --ratte", ["option --ratte"]),
    ],
)
def test_a_text_that_names_what_is_not_there_is_noticed(text, faults):
    assert wrong(text) == faults
