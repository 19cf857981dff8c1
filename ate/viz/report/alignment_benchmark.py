"""Results of `ate benchmark`: figures, table and sentences for the report and the terminal."""

from collections.abc import Mapping, Sequence
from typing import Any

from ate.align.evaluate.benchmark import NOT_AVAILABLE
from ate.runs.directory import RunDirectory
from ate.viz.figures.alignment import variants as variants_figure
from ate.viz.report.write import write_report
from ate.viz.tables.rows import table

# Columns of the table: the number, its reference, and the title of both.
COLUMNS = (
    ("precision", "precision_null", "precision / null"),
    ("tail", "tail_null", "tail / null"),
    ("unseen_mode_p", None, "unseen mode p"),
    ("effective_modes", "effective_modes_null", "modes visited / null"),
    ("outside_modes", "outside_modes_null", "outside modes / null"),
    ("displacement", "displacement_same_time", "tool apart (m) / same time"),
    ("rotation", "rotation_same_time", "tool turn apart (rad) / same time"),
    ("reconstruction", "pca_reconstruction", "reconstruction / PCA"),
    ("translation", "translation_null", "translated tool off (mm) / another chunk"),
    ("translation_turn", "translation_turn_null", "translated tool turned (°) / another chunk"),
    ("active_units", None, "active units"),
)
# Questions of the summary: a number, whether a higher one is better, and its title.
QUESTIONS = (
    ("precision", True, "inside (precision)"),
    ("displacement", False, "doing the same thing (tool displacement)"),
    ("translation", False, "translating (tool, mm)"),
    ("reconstruction", False, "reconstruction"),
)
CAPTION = (
    "Left to right: share of the robot's latents inside the pre-training distribution; share outside all modes of a "
    "mixture fitted to pre-training, the same for all variants; distance of the tool's path from that of the nearest "
    "pre-training chunks; held-out reconstruction, of `motion` in metres of the tool. The control `untrained` has "
    "random weights; `one-stage` was trained without pre-training data."
)
NAME = "benchmark"


def write_benchmark(
    rows: Sequence[Mapping[str, Any]], summary: Sequence[Mapping[str, Any]], directory: RunDirectory
) -> list[str]:
    """Write figures, table and report into a run directory; returns the lines for a terminal.

    Args:
        rows: of `ate.align.evaluate.benchmark.run_benchmark`.
        summary: of `ate.align.evaluate.benchmark.over_seeds` on them.
        directory: where to; replaces an earlier benchmark there.
    """
    directory.begin(NAME)
    robots = list(dict.fromkeys(row["robot"] for row in summary))
    sentences = []
    for place, robot in enumerate(robots, 1):
        own = [row for row in summary if row["robot"] == robot]
        unit = next(row["unit"] for row in rows if row["robot"] == robot and "unit" in row).split(",")[0]
        directory.save_figure(
            f"{NAME}_{place}_{robot.replace(' ', '_')}",
            variants_figure(own, unit),
            title=f"Alignments of {robot}: inside, doing the same thing, and at what cost",
            caption=CAPTION,
        )
        sentences += answers(own)
    absent = {(row["robot"], row["variant"]): row["reasons"] for row in rows if row["verdict"] == NOT_AVAILABLE}
    sentences += [f"{robot}, {variant}: not available, {why}." for (robot, variant), why in absent.items()]
    shown = table_rows(summary)
    directory.save_headline(NAME, {"title": "Compare alignments", "verdict": sentences, "variants": table(shown)})
    report = write_report(directory)
    return [*markdown(shown), "", *sentences, f"report: {report}"]


def table_rows(summary: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Rows of the printed table, with cells `mean ± half width / reference`."""
    rows = []
    for row in summary:
        cells = {"robot": row["robot"], "variant": row["variant"], "verdicts": row["verdict"]}
        for number, reference, title in COLUMNS:
            value = _number(row[number], row[f"{number}_±"])
            cells[title] = value if reference is None else f"{value} / {_number(row[reference])}"
        rows.append({**cells, "neighbours": row["correspondence"]})
    return rows


def answers(rows: Sequence[Mapping[str, Any]], baseline: str = "paper") -> list[str]:
    """Of one robot, for each question: the best variant, and those that differ from the baseline by more than the
    interval of the paired difference."""
    lines = []
    for number, more, title in QUESTIONS:
        known = [row for row in rows if row[number] is not None]
        if not known:
            lines.append(f"{rows[0]['robot']}, {title}: not available.")
            continue
        best = (max if more else min)(known, key=lambda row: row[number])
        line = f"{rows[0]['robot']}, {title}: best is {best['variant']}, {_number(best[number], best[f'{number}_±'])}"
        clear = []
        for row in known:
            gap, width = row[f"{number}_to_{baseline}"], row[f"{number}_to_{baseline}_±"]
            if row["variant"] != baseline and gap is not None and width is not None and abs(gap) > width:
                better = "better" if (gap > 0) == more else "worse"
                clear.append(f"{row['variant']} {better} ({gap:+.2g} ± {width:.2g})")
        if any(row["variant"] == baseline for row in known):
            differing = ", ".join(clear) or "no variant differs by more than its interval"
            line += f"; against {baseline}, paired by seed: {differing}"
        lines.append(line + ".")
    return lines


def markdown(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Lines of a markdown table."""
    columns = list(rows[0])
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    return lines + ["| " + " | ".join(str(row[column]) for column in columns) + " |" for row in rows]


def _number(value: float | None, width: float | None = None) -> str:
    if value is None:
        return "–"
    return f"{value:.3g}" + ("" if width is None else f" ± {width:.2g}")
