"""The report: one HTML file that shows a run in any browser, without a network."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from ate.errors import InputError
from ate.runs.directory import INSPECTED, TITLES, RunDirectory
from ate.runs.files import write_text
from ate.runs.origin import USED
from ate.viz.tables.html import table_html
from ate.viz.tables.rows import table, text


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
        # plotly's own library; plotly guarantees that it may stand in a script element.
        plotly=Markup(get_plotlyjs()),
    )
    target = out or runs[0].path / "report.html"
    write_text(target, html)
    return target


# Parts of headline files that are sentences, not numbers.
SENTENCES = ("title", "verdict", "bottom_line")
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
    stale = _stale(run, cards)
    headlines, cards = ({k: v for k, v in part.items() if k not in stale} for part in (headlines, cards))
    figures = [figure for figure in figures if figure["name"].split("_")[0] not in stale]
    origin = run.origin
    failed = {failure.notebook for failure in failures}
    keys = sorted({*headlines, *cards, *failed, *(figure["name"].split("_")[0] for figure in figures)})
    notebooks = [
        _notebook(key, headlines.get(key, {}), cards.get(key, {}), figures, prefix) | {"failed": key in failed}
        for key in keys
    ]
    answering = [notebook for notebook in notebooks if "bottom_line" in headlines.get(notebook["key"], {})]
    return {
        "name": run.path.name,
        "accepted": [] if origin is None else origin.sentences,
        "stale": [f"{key} ({command})" for key, command in stale.items()],
        "failures": [Markup(failure.html()) for failure in failures],
        "cells": run.cells(),
        "failed_table": table([_failed_cell(cell) for cell in run.failed_cells()]),
        # Where no notebook has run, the run is of another kind and none is missed.
        "missing": [f"{key} {TITLES[key]}" for key in TITLES if key not in (*keys, *stale)]
        if set(keys) & set(TITLES)
        else [],
        "bottom_lines": [headlines[key]["bottom_line"] for key in keys if "bottom_line" in headlines.get(key, {})],
        # A reviewer sees the answer first: the first figure of what has a bottom line.
        "answers": [notebook["figures"][0] for notebook in answering if notebook["figures"]],
        "notebooks": notebooks,
    }


def _stale(run: RunDirectory, cards: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Sections of other episodes than the run uses now, with the commands that make them again.

    Notebook 01 shows episodes whether they are left out or not.
    """
    origin = run.origin
    if origin is None:
        return {}
    used = {key: card.get("made_from", {}).get(USED, origin.episodes) for key, card in cards.items()}
    return {
        key: str(cards[key].get("command"))
        for key, episodes in used.items()
        if key != INSPECTED and episodes != origin.episodes
    }


def _failed_cell(cell: Mapping[str, Any]) -> dict[str, Any]:
    command = Markup("<code>{}</code>").format(cell["command"])
    why = f"{cell['type']}: {cell['message']}"
    return {"method": cell["method"], "seed": cell["seed"], "why": why, "the next try": command}


def _notebook(
    key: str, headline: Mapping[str, Any], card: Mapping[str, Any], figures: Sequence[Mapping[str, Any]], prefix: str
) -> dict[str, Any]:
    tables = {n: v for n, v in headline.items() if isinstance(v, Mapping) and {"columns", "rows"} <= set(v)}
    verdict = headline.get("verdict", [])
    return {
        "key": key,
        "id": f"{prefix}-{key}",
        "label": f"{key} · {TITLES[key]}" if key in TITLES else headline.get("title", key),
        "verdict": [verdict] if isinstance(verdict, str) else list(verdict),
        "numbers": _numbers({n: v for n, v in headline.items() if n not in {*tables, *SENTENCES}}),
        "tables": tables,
        "figures": [
            {**figure, "id": f"{prefix}-{figure['name']}", "json": safe_json(figure["figure"])}
            for figure in figures
            if figure["name"].startswith(f"{key}_")
        ],
        "accepted": card.get("accepted", []),
        "card": _card(card),
        "command": card.get("command"),
    }  # fmt: skip


def _card(card: Mapping[str, Any]) -> list[tuple[str, list[tuple[str, str]]]]:
    """A run card as titled groups of names and values, in full, because settings must be repeated exactly."""
    groups = [
        (title, [(n, ", ".join(map(str, v)) if isinstance(v, (list, tuple)) else str(v)) for n, v in card[key].items()])
        for key, title in CARD.items()
        if card.get(key)
    ]
    return [*groups, ("Written", [("at", str(card["written"]))])] if "written" in card else groups


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


def safe_json(source: str) -> Markup:
    """JSON that cannot end the script element it stands in: `<`, `>`, `&` and line separators as escapes."""
    for sign in "<>&\u2028\u2029":
        source = source.replace(sign, f"\\u{ord(sign):04x}")
    return Markup(source)
