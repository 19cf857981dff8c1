"""What a comparison of alignments found: figures, table and sentences for the report and for the terminal."""

from collections.abc import Mapping, Sequence
from typing import Any

from ate.runs.directory import RunDirectory
from ate.viz.figures.alignment_benchmark import variants as draw_variants
from ate.viz.report.write import write_report
from ate.viz.tables.rows import table

# Columns of the table: the number, its reference, and what both are called.
COLUMNS = (
    ("precision", "precision_null", "precision / null"),
    ("tail", "tail_null", "tail / null"),
    ("unseen_mode_p", None, "unseen mode p"),
    ("effective_modes", "effective_modes_null", "modes visited / null"),
    ("outside_modes", "outside_modes_null", "outside modes / null"),
    ("displacement", "displacement_same_time", "tool apart (m) / same time"),
    ("rotation", "rotation_same_time", "tool turn apart (rad) / same time"),
    ("reconstruction", "pca_reconstruction", "reconstruction / PCA"),
    ("active_units", None, "active units"),
)
# The questions that the sentences answer: a number, whether more of it is better, and how it is said.
QUESTIONS = (
    ("precision", True, "inside (precision)"),
    ("displacement", False, "doing the same thing (tool displacement)"),
    ("reconstruction", False, "reconstruction"),
)


def tell(rows: Sequence[Mapping[str, Any]], summary: Sequence[Mapping[str, Any]], directory: RunDirectory) -> list[str]:
    """Keep figures, table and report in a run directory; returns the lines for a terminal.

    Args:
        rows: of `ate.align.evaluate.benchmark.judge`.
        summary: of `ate.align.evaluate.benchmark.over_seeds` on them.
        directory: where to; what an earlier comparison left is forgotten.
    """
    directory.begin("judge")
    robots = list(dict.fromkeys(row["robot"] for row in summary))
    for place, robot in enumerate(robots, 1):
        mine = [row for row in summary if row["robot"] == robot]
        unit = next(row["unit"] for row in rows if row["robot"] == robot and "unit" in row).split(",")[0]
        directory.save_figure(
            f"judge_{place}_{robot.replace(' ', '_')}",
            draw_variants(mine, unit),
            title=f"Alignments of {robot}: inside, doing the same thing, and at what cost",
            caption="Left to right: share of the robot's latents inside the pre-training manifold; share outside every "
            "mode of a mixture fitted to pre-training, the same for all variants; how far the tool's path is from that "
            "the nearest pre-training chunks; held-out reconstruction. The control `untrained` has random weights, "
            "`one-stage` never met pre-training.",
        )
    shown = table_rows(summary)
    sentences = [line for robot in robots for line in answers([row for row in summary if row["robot"] == robot])]
    absent = {(row["robot"], row["variant"]): row["reasons"] for row in rows if row["verdict"] == "not available"}
    sentences += [f"{robot}, {variant}: not available, {why}." for (robot, variant), why in absent.items()]
    directory.save_headline("judge", {"title": "Compare alignments", "verdict": sentences, "variants": table(shown)})
    report = write_report(directory)
    return [*markdown(shown), "", *sentences, f"report: {report}"]


def table_rows(summary: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The rows as a reader wants them: `mean ± half width / reference`."""
    found = []
    for row in summary:
        one = {"robot": row["robot"], "variant": row["variant"], "verdicts": row["verdict"]}
        for number, reference, title in COLUMNS:
            said = _number(row[number], row[f"{number}_±"])
            one[title] = said if reference is None else f"{said} / {_number(row[reference])}"
        found.append({**one, "neighbours": row["correspondence"]})
    return found


def answers(rows: Sequence[Mapping[str, Any]], baseline: str = "paper") -> list[str]:
    """For one robot and each question: the best variant, and which differ from the baseline beyond their interval."""
    lines = []
    for number, more, title in QUESTIONS:
        known = [row for row in rows if row[number] is not None]
        if not known:
            lines.append(f"{rows[0]['robot']}, {title}: not available.")
            continue
        best = (max if more else min)(known, key=lambda row: row[number])
        said = f"{rows[0]['robot']}, {title}: best is {best['variant']}, {_number(best[number], best[f'{number}_±'])}"
        clear = []
        for row in known:
            gap, width = row[f"{number}_to_{baseline}"], row[f"{number}_to_{baseline}_±"]
            if row["variant"] != baseline and gap is not None and width is not None and abs(gap) > width:
                clear.append(
                    f"{row['variant']} {'better' if (gap > 0) == more else 'worse'} ({gap:+.2g} ± {width:.2g})"
                )
        if any(row["variant"] == baseline for row in known):
            said += (
                f"; against {baseline}, paired by seed: {', '.join(clear) or 'no variant differs beyond its interval'}"
            )
        lines.append(said + ".")
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
