"""The report: one HTML file that shows a run in any browser, without a network."""

import base64
import gzip
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from ate.errors import InputError
from ate.experiments.answer import ANSWER
from ate.runs.directory import TITLES, RunDirectory
from ate.runs.files import write_text
from ate.viz.report.alert import alerts, stale_sections
from ate.viz.report.captions import TABLES, Words
from ate.viz.report.fact import facts
from ate.viz.tables.html import table_html
from ate.viz.tables.rows import table, text
from ate.viz.video import video_html


def write_report(run: RunDirectory | Sequence[RunDirectory], out: Path | None = None) -> Path:
    """Write the report of one run, or of several in sequence.

    Args:
        run: the run directories, with what the notebooks left in them.
        out: the file; `report.html` in the first run directory by default.

    Returns:
        The file. It is written under a temporary name and renamed, so it is whole or absent.

    Raises:
        InputError: no run was given.
    """
    runs = [run] if isinstance(run, RunDirectory) else list(run)
    if not runs:
        raise InputError("no run", where="report", expected="at least one run directory", fix="name runs/<name>")
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    environment.filters.update(text=text, table_html=table_html)
    template = environment.get_template("report.html")
    html = template.render(
        title=", ".join(item.path.name for item in runs),
        runs=[_run(item, f"run{number}") for number, item in enumerate(runs)],
        plotly=packed(get_plotlyjs()),
    )
    target = out or runs[0].path / "report.html"
    write_text(target, html)
    return target


# Parts of headline files that are shown otherwise than as numbers.
SENTENCES = ("title", "verdict", "bottom_line", ANSWER)
# Longer texts are sentences, whatever they are called.
LINE = 60
# Sections in the order in which they are read, by the beginning of their key; others come before the ablation.
ORDER = {
    "03": 0,
    "compare": 1,
    "evidence": 1,
    "controls": 1,
    "": 2,
    "04": 3,
    "sweep": 3,
    "02": 4,
    "benchmark": 4,
    "01": 5,
}
ANSWERING = ("success", "open_loop_error")
# Figures of a section that are not folded.
SHOWN = 2
LABELS = {"03": "Policy", "04": "Ablation", "02": "Alignment", "01": "Data"}
# Parts of a card, in the order in which they are shown.
CARD = {
    "made_from": "Data",
    "seeds": "Seeds",
    "hashes": "What it was made from, by hash",
    "versions": "Versions",
    "config": "Settings",
}


def _run(run: RunDirectory, prefix: str) -> dict[str, Any]:
    headlines, cards, figures, failures = run.headlines(), run.cards(), run.figures(), run.failures()
    stale = stale_sections(run)
    headlines, cards = ({k: v for k, v in part.items() if k not in stale} for part in (headlines, cards))
    figures = [item for item in (*figures, *run.films()) if item["name"].split("_")[0] not in stale]
    figures.sort(key=lambda item: item["name"])
    failed = {failure.notebook for failure in failures}
    keys = sorted({*headlines, *cards, *failed, *(figure["name"].split("_")[0] for figure in figures)}, key=_place)
    sections = [
        _section(key, headlines.get(key, {}), cards.get(key, {}), figures, prefix) | {"failed": key in failed}
        for key in keys
    ]
    answered = next((s for s in sections if ANSWER in headlines.get(s["key"], {})), None)
    concluded = [s for s in sections if "bottom_line" in headlines.get(s["key"], {})]
    shown = [_answering(s["figures"]) for s in ([answered] if answered else concluded) if s["figures"]]
    answer = headlines[answered["key"]][ANSWER] if answered else None
    for section in sections:
        section["folded"] = list(dict.fromkeys(item["title"].split(":")[0] for item in section["figures"][SHOWN:]))
    return {
        "name": run.path.name,
        "alerts": alerts(run),
        "failures": [Markup(failure.html()) for failure in failures],
        "cells": run.cells(),
        "failed_table": table([_failed_cell(cell) for cell in run.failed_cells()]),
        # Where no notebook has run, the run is of another kind and none is missed.
        "missing": [f"{key} {TITLES[key]}" for key in TITLES if key not in (*keys, *stale)]
        if set(keys) & set(TITLES)
        else [],
        "answer": answer,
        "bottom_lines": [headlines[section["key"]]["bottom_line"] for section in concluded],
        "answers": shown,
        "facts": facts(headlines, answer, run.origin),
        "sections": sections,
    }


def _answering(figures: list[dict[str, Any]]) -> dict[str, Any]:
    """Take out of a section the figure that stands on the first screen: of success, else of errors, else the first."""
    names = [figure["name"].split("_", 2)[-1] for figure in figures]
    return figures.pop(next((names.index(name) for name in ANSWERING if name in names), 0))


def _place(key: str) -> tuple[int, str]:
    return ORDER.get(key.split("-")[0], ORDER[""]), key


def _failed_cell(cell: Mapping[str, Any]) -> dict[str, Any]:
    command = Markup("<code>{}</code>").format(cell["command"])
    why = f"{cell['type']}: {cell['message']}"
    return {"method": cell["method"], "seed": cell["seed"], "why": why, "the next try": command}


def _section(
    key: str, headline: Mapping[str, Any], card: Mapping[str, Any], figures: Sequence[Mapping[str, Any]], prefix: str
) -> dict[str, Any]:
    tables = {n: v for n, v in headline.items() if isinstance(v, Mapping) and {"columns", "rows"} <= set(v)}
    verdict = headline.get("verdict", [])
    own = [figure for figure in figures if figure["name"].startswith(f"{key}_")]
    numbers = _numbers({n: v for n, v in headline.items() if n not in {*tables, *SENTENCES}})
    long = [f"{name.capitalize()}: {value}" for name, value in numbers if isinstance(value, str) and len(value) > LINE]
    return {
        "key": key,
        "id": f"{prefix}-{key}",
        "label": LABELS.get(key, headline.get("title", key)),
        "verdict": [*([verdict] if isinstance(verdict, str) else verdict), *long],
        "numbers": [(name, value) for name, value in numbers if not (isinstance(value, str) and len(value) > LINE)],
        "tables": [{**content, **_words(name)} for name, content in tables.items()],
        "figures": [{**figure, "id": f"{prefix}-{figure['name']}", **_content(figure)} for figure in own],
        "accepted": card.get("accepted", []),
        "card": _card(card),
        "command": card.get("command"),
    }  # fmt: skip


def _content(figure: Mapping[str, Any]) -> dict[str, Any]:
    """What is put between title and caption: a player of a film, or a plotly figure for the page's script to unpack."""
    if "film" in figure:
        return {"player": Markup(video_html(figure["film"], figure["labels"]))}
    return {"packed": packed(figure["figure"])}


def _words(name: str) -> dict[str, str]:
    words = TABLES.get(name) or Words(name.replace("_", " ").capitalize(), "One row for each case.")
    return {"title": words.title, "caption": words.caption}


def _card(card: Mapping[str, Any]) -> list[tuple[str, list[tuple[str, str]]]]:
    """A run card as titled groups of names and values, in full, because settings must be repeated exactly."""
    groups: list[tuple[str, list[tuple[str, str]]]] = []
    for title, values in ((title, card[key]) for key, title in CARD.items() if card.get(key)):
        nested = {name: value for name, value in values.items() if isinstance(value, Mapping)}
        groups.append((title, _lines({name: value for name, value in values.items() if name not in nested})))
        groups += [(f"{title}: {name}", _lines(value)) for name, value in nested.items()]
    return [*groups, ("Written", [("at", str(card["written"]))])] if "written" in card else groups


def _lines(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Names with their values as text; what is empty is left out."""
    texts = {n: ", ".join(map(str, v)) if isinstance(v, (list, tuple)) else str(v) for n, v in values.items()}
    return [(name, text) for name, text in texts.items() if text]


def _numbers(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """Scalars by a readable name, nested ones joined by a comma; longer lists stay in the JSON file."""
    flat: list[tuple[str, Any]] = []
    for name, value in values.items():
        label = f"{prefix}{str(name).replace('_', ' ')}"
        if isinstance(value, Mapping):
            flat += _numbers(value, f"{label}, ")
        elif not isinstance(value, (list, tuple)):
            flat.append((label, value))
    return flat


def packed(source: str) -> str:
    """Text as gzip in base64, which holds nothing that could end the script element it stands in."""
    return base64.b64encode(gzip.compress(source.encode("utf-8"), mtime=0)).decode("ascii")
