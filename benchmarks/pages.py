"""The tables of README and docs/evidence.md, written between their marks from the numbers in docs/evidence.json.

ate evidence runs/evidence/* --json docs/evidence.json
python -m benchmarks.pages
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ate.experiments.evidence import heading, points, pooled_table, study_table
from ate.experiments.methods import DIRECT
from ate.experiments.settings import ROOT
from ate.runs.files import read_json

NUMBERS = ROOT / "docs" / "evidence.json"
README, EVIDENCE = ROOT / "README.md", ROOT / "docs" / "evidence.md"
FEW, NONE = 5, 0  # demonstrations of the regimes in the README
# Method, and what it is.
METHODS = (
    (DIRECT, "plain fine-tuning on the demonstrations"),
    ("retarget", "other robots' episodes in the new robot's joints"),
    ("tool-motion guidance", "a latent loss towards other robots' tool motion"),
    ("tool space", "a policy that acts in tool motion"),
    ("published shift", "the paper's guidance, clamped as released"),
    ("untrained encoder", "control: guidance by an untrained network"),
    ("untranslated", "control: those episodes in their own joints"),
)
MARK = re.compile(r"(<!-- evidence: (\w+) -->\n).*?(<!-- end -->)", re.S)


def tasks(regime: Mapping[str, Any]) -> list[str]:
    """Tasks in the order in which the studies come, e.g. `["lift", "place"]`."""
    return list(dict.fromkeys(study["study"].split("-")[0] for study in regime["studies"]))


def mean_rate(regime: Mapping[str, Any], task: str, method: str) -> str:
    """Success in per cent over the robots and policies of a task; empty where a study lacks the method."""
    rows = [study["methods"] for study in regime["studies"] if study["study"].split("-")[0] == task]
    if not all(method in row for row in rows):
        return ""
    return f"{100 * sum(row[method]['rate'] for row in rows) / len(rows):.0f}"


def methods_table(regimes: Mapping[int, Mapping[str, Any]]) -> str:
    """Success by method and task with few and without demonstrations, and the pooled gain over direct fine-tuning."""
    few = regimes[FEW]
    columns = [(regime, task) for count in (FEW, NONE) if (regime := regimes.get(count)) for task in tasks(regime)]
    heads = [task.title() + (", 0&nbsp;demos" if regime is not few else "") for regime, task in columns]
    gains = {row["method"]: points(row) for row in few["pooled"] if row["against"] == DIRECT}
    lines = ["| method | what it is | " + " | ".join(heads) + " | gain in points (95 %) |"]
    lines.append("|---|---|" + "--:|" * len(heads) + "---|")
    for name, what in METHODS:
        rates = " | ".join(mean_rate(regime, task, name) or "–" for regime, task in columns)
        # The interval stays on its line.
        gain = gains.get(name, "–").replace(" ", "&nbsp;").replace("-", "−")
        lines.append(f"| {name.replace(' ', '&nbsp;').replace('-', '‑')} | {what} | {rates} | {gain} |")
    return "\n".join(lines)


def evidence_tables(regimes: Mapping[int, Mapping[str, Any]]) -> str:
    """Every study, and every pair of methods pooled over studies."""
    return "\n\n".join(f"### {heading(r)}\n\n{study_table(r)}\n\n{pooled_table(r)}" for r in regimes.values())


def filled(page: Path) -> str:
    """The page with its tables written anew between the marks."""
    regimes = {regime["demonstrations"]: regime for regime in read_json(NUMBERS)}
    tables = {"methods": methods_table, "studies": evidence_tables}
    return MARK.sub(lambda found: f"{found[1]}\n{tables[found[2]](regimes)}\n\n{found[3]}", page.read_text("utf-8"))


if __name__ == "__main__":
    for each in (README, EVIDENCE):
        each.write_text(filled(each), "utf-8")
