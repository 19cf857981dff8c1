"""Residuals of retargeted episodes: how far the new robot's tool is from where the old robot's was."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from ate.data.episodes import Episodes
from ate.steer.retargeting import Bounds, residual_rows
from ate.viz.style import LOG, ROBOTS, SOFT, colors, finish

# Residuals below these are numbers' own noise; a log axis can't show 0.
LEAST = {"millimetres": 1e-4, "degrees": 1e-5}
UNITS = {"millimetres": "Position of the tool (mm, log)", "degrees": "Rotation of the tool (°, log)"}
ROW, AROUND = 46, 120


def residuals(made: Episodes) -> go.Figure:
    """Largest residual of each retargeted episode in millimetres and degrees, a row for each robot it is from.

    Dashed: what an episode may miss by default (`ate.steer.retargeting.Bounds`).

    Args:
        made: what `ate.steer.retarget` gave.
    """
    found = by_robot(made)
    palette, names, bounds = colors(found, ROBOTS), list(found), Bounds()
    most = {"millimetres": 1000 * bounds.position, "degrees": float(np.rad2deg(bounds.rotation))}
    figure = make_subplots(rows=1, cols=len(UNITS), shared_yaxes=True, horizontal_spacing=0.06)
    for col, (unit, title) in enumerate(UNITS.items(), 1):
        for place, (robot, rows) in enumerate(found.items()):
            kept = [row for row in rows if row["kept"]]
            # Spread over the row by the episode's number, so that equal residuals stay apart.
            beside = np.linspace(-0.3, 0.3, len(kept)) if len(kept) > 1 else np.zeros(len(kept))
            figure.add_scatter(
                x=[max(row[unit], LEAST[unit]) for row in kept], y=place + beside, mode="markers", name=robot,
                marker={"size": 6, "color": palette[robot], "opacity": 0.6}, showlegend=False, row=1, col=col,
                text=[f"{row['episode']}, {row['reached']:.0%} of {row['rows']} rows reached" for row in kept],
                hovertemplate="%{text}: %{x:.3g}<extra></extra>",
            )  # fmt: skip
        figure.add_vline(x=most[unit], line={"color": SOFT, "width": 1.5, "dash": "dash"}, row=1, col=col)
        figure.update_xaxes(title_text=title, **LOG, row=1, col=col)
    kept_of = [f"{name}<br>{sum(row['kept'] for row in found[name])} of {len(found[name])} kept" for name in names]
    figure.update_yaxes(
        range=[len(names) - 0.5, -0.5], tickvals=list(range(len(names))), ticktext=kept_of, zeroline=False
    )
    figure.update_yaxes(title_text="From", col=1)
    return finish(figure, AROUND + ROW * len(names))


def by_robot(made: Episodes) -> dict[str, list[dict[str, Any]]]:
    """`residual_rows` by the robot that an episode is from."""
    found: dict[str, list[dict[str, Any]]] = {}
    for row in residual_rows(made):
        found.setdefault(row["episode"].split("/")[0], []).append(row)
    return found


def residual_table(made: Episodes) -> list[dict[str, Any]]:
    """One row a robot: episodes, how many are kept, and the largest residual of these in millimetres and degrees."""
    return [
        {
            "from": robot,
            "episodes": len(rows),
            "kept": sum(row["kept"] for row in rows),
            "rows reached": f"{_mean_reached(rows):.1%}",
            "most millimetres": _most(rows, "millimetres"),
            "most degrees": _most(rows, "degrees"),
        }
        for robot, rows in by_robot(made).items()
    ]


def left_out(made: Episodes, most: int = 8) -> list[str]:
    """Why episodes were left out, a sentence each, at most so many; one sentence where none was."""
    reasons = [f"{row['episode']}: {row['reason']}" for row in residual_rows(made) if not row["kept"]]
    more = [f"and {len(reasons) - most} more"] if len(reasons) > most else []
    return [*reasons[:most], *more] or ["No episode was left out."]


def _most(rows: Sequence[Mapping[str, Any]], name: str) -> float | str:
    return max((row[name] for row in rows if row["kept"]), default="")


def _mean_reached(rows: Sequence[Mapping[str, Any]]) -> float:
    kept = [row["reached"] for row in rows if row["kept"]]
    return float(np.mean(kept)) if kept else 0.0
