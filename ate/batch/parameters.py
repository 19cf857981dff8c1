"""The parameters cell of the notebooks: every parameter of a study, the same text in all four of them.

python -m ate.batch.parameters            writes it into the notebooks after a parameter was added
"""

import inspect
import json
import re
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from ate.batch.notebooks import NOTEBOOKS
from ate.experiments.settings import ROOT, Settings
from ate.runs.files import write_text
from ate.runs.options import kinds_of
from ate.steer.guidance_config import PRESETS, GuidanceConfig

# Headings by the parameter that they stand above.
HEADINGS = {
    "pretrain": "Data. None, here and below: as the profile says.",
    "align": "Alignment",
    "parameterizations": "Policies and fine-tuning",
    "guidance": "Guidance",
    "lams": "Ablation",
    "executor": "Where and how it runs",
}
# The two that always have a value.
GIVEN = {"profile": '"demo"', "run": '""'}
# Papermill and the settings take lists as text with commas.
TYPES = {str: "str", int: "int", float: "float"}


def parameters_cell() -> str:
    """The text of the cell: name, type, value and purpose of every parameter, one a line, below headings."""
    lines = ["from typing import Optional", ""]
    for name, kind in _kinds().items():
        if name in HEADINGS:
            lines += ["", f"# {HEADINGS[name]}"]
        text = TYPES.get(kind, "str")
        value = f"{text} = {GIVEN[name]}" if name in GIVEN else f"Optional[{text}] = None"
        lines.append(f"{name}: {value}  # {_meanings()[name]}")
    return "\n".join(lines)


def write_cells() -> None:
    """Write the cell into the four notebooks."""
    for name in NOTEBOOKS.values():
        file = ROOT / "notebooks" / name
        notebook = json.loads(file.read_text(encoding="utf-8"))
        cell = next(c for c in notebook["cells"] if "parameters" in c["metadata"].get("tags", []))
        cell["source"] = parameters_cell().splitlines(keepends=True)
        write_text(file, json.dumps(notebook, indent=1, ensure_ascii=False) + "\n")


def _kinds() -> dict[str, type]:
    """Types by name, in the order of the settings; the options of guidance follow their preset."""
    kinds: dict[str, type] = {}
    for name, kind in kinds_of(Settings).items():
        kinds |= {name: str, **kinds_of(GuidanceConfig)} if name == "guidance" else {name: kind}
    return kinds


def _meanings() -> dict[str, str]:
    """What each parameter is, in one line: the first sentence of its docstring, or the help of its option.

    Without an equals sign, because papermill cannot read the parameter of such a line.
    """
    documented = inspect.getdoc(Settings) or ""
    attributes = documented.split("Attributes:\n", 1)[1]
    entries = re.findall(r"^ {4}(\w+): (.*(?:\n {8}.*)*)", attributes, re.MULTILINE)
    first = {name: re.split(r"\. (?=[A-Z])", " ".join(text.split()))[0] for name, text in entries}
    options = {option.name: _option(option.metadata) for option in fields(GuidanceConfig)}
    preset = f"preset that the options below change: {', '.join(PRESETS)}"
    meanings = {**first, "guidance": preset, **options}
    return {name: text.rstrip(".").replace("`", "") for name, text in meanings.items()}


def _option(facts: Mapping[str, Any]) -> str:
    """The help of an option of guidance, with its choices."""
    text = facts["help"].rstrip(".")
    choices = [str(choice) for choice in facts["choices"]]
    listed = all(choice in re.findall(r"[-\w]+", text) for choice in choices)
    return f"{text[0].lower()}{text[1:]}" + ("" if listed else f": {', '.join(choices)}")


if __name__ == "__main__":
    write_cells()
