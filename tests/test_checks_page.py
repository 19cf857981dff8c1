"""docs/checks.md has every code of the doctor, with its level, and every check of the diagnosis."""

import ast
import re

from ate.diagnose import (
    gripper_timing,
    input_ablation,
    normalization,
    prediction_error,
    replay,
    stuck_at_start,
    weights,
)
from ate.experiments.settings import ROOT

PAGE = (ROOT / "docs" / "checks.md").read_text(encoding="utf-8")
CODE = re.compile(r"[a-z_]+\.[a-z_]+")
LEVELS = {"WARN", "FAIL"}
STATISTICS = ROOT / "ate" / "diagnose" / "checkpoint_statistics.py"
# What stands for the part of a code that is computed.
OPEN = "*"


def documented() -> dict[str, set[str]]:
    """Levels by code, as the page has them."""
    rows = re.findall(r"^\| `([a-z_]+\.[a-z_]+)` \| ([A-Z, ]+) \|", PAGE, re.M)
    assert len(rows) == len(dict(rows))
    return {code: set(levels.split(", ")) for code, levels in rows}


def codes(node: ast.expr) -> set[str]:
    """Codes in an argument; of an f-string what is computed is `*`."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return {node.value} if CODE.fullmatch(node.value) else set()
    if isinstance(node, ast.JoinedStr):
        text = "".join(part.value if isinstance(part, ast.Constant) else OPEN for part in node.values)
        return {text} if re.fullmatch(r"[a-z_]+\.[a-z_*]+", text) else set()
    if isinstance(node, ast.IfExp):
        return codes(node.body) | codes(node.orelse)
    return set()


def in_the_code() -> dict[str, set[str]]:
    """Levels that each code may have; none where the level is not written next to the code."""
    found: dict[str, set[str]] = {}
    modules = [*sorted((ROOT / "ate" / "data" / "doctor").rglob("*.py")), STATISTICS]
    for module in modules:
        tree = ast.parse(module.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                for before, argument in zip([None, *node.args], node.args, strict=False):
                    levels = {part.id for part in ast.walk(before) if isinstance(part, ast.Name)} if before else set()
                    for code in codes(argument):
                        found.setdefault(code, set()).update(levels & LEVELS)
            elif isinstance(node, ast.Constant | ast.JoinedStr):
                for code in codes(node):
                    found.setdefault(code, set())
    return found


def test_every_code_of_the_doctor_is_on_the_page_and_no_other():
    page, code = documented(), in_the_code()
    patterns = [re.escape(name).replace(re.escape(OPEN), "[a-z_]+") for name in code]
    assert [name for name in page if not any(re.fullmatch(pattern, name) for pattern in patterns)] == []
    missing = [
        name for name, pattern in zip(code, patterns, strict=True) if not any(re.fullmatch(pattern, p) for p in page)
    ]
    assert missing == []
    assert len(code) > 90


def test_every_level_is_that_of_the_code():
    code = in_the_code()
    wrong = {name: levels for name, levels in documented().items() if code.get(name) and not levels <= code[name]}
    assert wrong == {}


def test_every_check_of_the_diagnosis_has_a_section():
    modules = (replay, gripper_timing, stuck_at_start, input_ablation, weights, normalization)
    names = {*(module.NAME for module in modules), prediction_error.TRAINING, prediction_error.HELD_OUT}
    assert set(re.findall(r"^### `(\w+)`:", PAGE, re.M)) == names
