"""The numbers of README and docs, written between their marks from docs/evidence.json.

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
from ate.runs.tables import signed

NUMBERS = ROOT / "docs" / "evidence.json"
README, EVIDENCE, WHICH = ROOT / "README.md", ROOT / "docs" / "evidence.md", ROOT / "docs" / "which-method.md"
PAGES = (README, EVIDENCE, WHICH)
FEW, NONE, MANY = 5, 0, 25  # demonstrations of the regimes; the first two are in the README
ALL = (FEW, NONE, MANY)
TASKS, ROBOTS = ("lift", "place", "push"), {"ur5e": "UR5e", "gen3": "Gen3"}
GAINING = {"retarget": "retargeting", "tool-motion guidance": "tool-motion guidance", "tool space": "tool space"}
PUBLISHED = "published shift"
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


def robots_of(regime: Mapping[str, Any], task: str) -> list[str]:
    """Titles of the robots for which there are studies of a task."""
    studies = [study["study"].split()[0].split("-") for study in regime["studies"]]
    return [title for robot, title in ROBOTS.items() if [task, robot] in studies]


def robots_note(regime: Mapping[str, Any], task: str) -> str:
    """Which robots a column is of, where it is not all of them."""
    robots = robots_of(regime, task)
    return "" if len(robots) == len(ROBOTS) else f" ({', '.join(robots)})"


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
    heads = [
        task.title() + robots_note(regime, task) + (", 0&nbsp;demos" if regime is not few else "")
        for regime, task in columns
    ]
    gains = {row["method"]: points(row) for row in few["pooled"] if row["against"] == DIRECT}
    lines = ["| method | what it is | " + " | ".join(heads) + " | gain in points (95 %) |"]
    lines.append("|---|---|" + "--:|" * len(heads) + "---|")
    for name, what in METHODS:
        rates = " | ".join(mean_rate(regime, task, name) or "–" for regime, task in columns)
        # The interval stays on its line.
        gain = gains.get(name, "–").replace(" ", "&nbsp;")
        lines.append(f"| {name.replace(' ', '&nbsp;').replace('-', '‑')} | {what} | {rates} | {gain} |")
    return "\n".join(lines)


def evidence_tables(regimes: Mapping[int, Mapping[str, Any]]) -> str:
    """Every study, and every pair of methods pooled over studies."""
    return "\n\n".join(f"### {heading(r)}\n\n{study_table(r)}\n\n{pooled_table(r)}" for r in regimes.values())


def gain(row: Mapping[str, Any], interval: bool) -> str:
    """A pooled difference in words, e.g. `"51.8 points (49.2 to 54.4)"`; the verb says in which direction."""
    if None in (row["low"], row["high"]) or row["low"] < 0 < row["high"]:
        return points(row)
    ends = sorted(abs(100 * row[end]) for end in ("low", "high"))
    return f"{abs(100 * row['mean']):.1f}" + (f" points ({ends[0]:.1f} to {ends[1]:.1f})" if interval else "")


def answer(regimes: Mapping[int, Mapping[str, Any]]) -> str:
    """What the methods gain over plain fine-tuning and the paper's guidance changes, in words."""
    rows, more = ({r["method"]: r for r in regimes[n]["pooled"] if r["against"] == DIRECT} for n in (FEW, MANY))
    first, second, third = (gain(rows[name], False) for name in GAINING)
    many = [gain(more[name], False) for name in GAINING]
    last = rows[PUBLISHED]
    verb = "loses" if last["mean"] < 0 else "gains"
    return (
        f"**What we found.** With {FEW} demonstrations, pooled over {last['studies']} studies, retargeting gains "
        f"{first} points of success over plain fine-tuning, tool-motion guidance {second} and tool space {third}; "
        f"the paper's guidance {verb} {gain(last, False)}. With {MANY} demonstrations the gains are {many[0]}, "
        f"{many[1]} and {many[2]} points."
    )


def gains(regimes: Mapping[int, Mapping[str, Any]]) -> str:
    """The same gains with their intervals, a sentence each."""
    rows = {row["method"]: row for row in regimes[FEW]["pooled"] if row["against"] == DIRECT}
    return "\n".join(f"- {label}: {gain(rows[name], True)}" for name, label in GAINING.items())


def rivals(regimes: Mapping[int, Mapping[str, Any]]) -> str:
    """By task, between what and what guidance differs from retargeting in success, in points; a row a task."""
    shown = [regimes[count] for count in (FEW, MANY) if count in regimes]
    heads = [f"{regime['demonstrations']} demonstrations" for regime in shown]
    lines = ["| guidance minus retargeting, points | " + " | ".join(heads) + " |", "|---" * (len(shown) + 1) + "|"]
    for task in tasks(regimes[FEW]):
        lines.append(f"| {task.title()} | " + " | ".join(_ahead(regime, task) for regime in shown) + " |")
    return "\n".join(lines)


def _ahead(regime: Mapping[str, Any], task: str) -> str:
    """How far guidance is ahead of retargeting in the studies of a task, e.g. `"−1.1 to +12.1"`."""
    methods = [study["methods"] for study in regime["studies"] if study["study"].split("-")[0] == task]
    gaps = [100 * (m["tool-motion guidance"]["rate"] - m["retarget"]["rate"]) for m in methods]
    return f"{signed(min(gaps))} to {signed(max(gaps))}{robots_note(regime, task)}" if gaps else "–"


def rates(regimes: Mapping[int, Mapping[str, Any]]) -> str:
    """Success in % of direct fine-tuning and of the methods that gain, a row a study."""
    names = (DIRECT, *GAINING)
    lines = ["| demonstrations | study | " + " | ".join(names) + " |", "|---|---|" + "--:|" * len(names)]
    for count, regime in regimes.items():
        for study in regime["studies"]:
            methods = study["methods"]
            cells = (f"{100 * methods[name]['rate']:.1f}" if name in methods else "–" for name in names)
            lines.append(f"| {count} | {study['study']} | {' | '.join(cells)} |")
    return "\n".join(lines)


def coverage(regimes: Mapping[int, Mapping[str, Any]]) -> str:
    """Which studies there are, by demonstrations and task."""
    lines = ["| demonstrations | " + " | ".join(task.title() for task in TASKS) + " |", "|---" * (len(TASKS) + 1) + "|"]
    for count in ALL:
        regime = regimes.get(count, {"studies": ()})
        cells = [", ".join(robots_of(regime, task)) or "open" for task in TASKS]
        lines.append(f"| {count or 'none'} | {' | '.join(cells)} |")
    return "\n".join(lines)


def filled(page: Path) -> str:
    """The page with its tables written anew between the marks."""
    measured = {regime["demonstrations"]: regime for regime in read_json(NUMBERS)}
    regimes = {count: measured[count] for count in ALL if count in measured}
    parts = {
        "methods": methods_table,
        "studies": evidence_tables,
        "coverage": coverage,
        "answer": answer,
        "gains": gains,
        "rates": rates,
        "rivals": rivals,
    }
    return MARK.sub(lambda mark: f"{mark[1]}\n{parts[mark[2]](regimes)}\n\n{mark[3]}", page.read_text("utf-8"))


if __name__ == "__main__":
    for each in PAGES:
        each.write_text(filled(each), "utf-8")
