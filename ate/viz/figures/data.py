"""Figures of demonstrations: episodes in, plotly figure out."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from ate.data.doctor.dataset_report import ADAPT
from ate.data.episodes import Episodes
from ate.robots import Embodiment, unify
from ate.viz.style import BAND, BLUE, RED, ROBOTS, SOFT, SPARE, colors, faded, finish, short, unit, wrapped

UNIT_TITLES = {"rad": "Position (rad)", "m": "Position (m)", "open": "Gripper opening (0 closed, 1 open)"}
UNIT_SHORT = {"rad": "Position (rad)", "m": "Position (m)", "open": "Opening (0 to 1)"}
# A log axis where lengths spread further than this.
LOG_SPREAD = 8
PANEL_SLOTS = 10
PRETRAIN = "pre-training"


def labels(pretrain: Sequence[Episodes], adapt: Episodes) -> list[str]:
    """Label of each set, the adaptation set last: `"panda"`, or `"panda (adaptation)"`, numbered where repeated."""
    names: list[str] = []
    for episodes in pretrain:
        count = sum(name.split(" #")[0] == episodes.robot for name in names)
        names.append(episodes.robot if not count else f"{episodes.robot} #{count + 1}")
    return [*names, f"{adapt.robot} ({ADAPT})"]


def set_colors(names: Sequence[str]) -> dict[str, str]:
    """Colour of each label of `labels`; a robot keeps its colour in both roles unless it plays both."""
    known = {name: ROBOTS[name.split(" (")[0]] for name in names if name.split(" (")[0] in ROBOTS}
    adapt = names[-1]
    if known.get(adapt) in [color for name, color in known.items() if name != adapt]:
        known[adapt] = next(color for color in (RED, BLUE, *SPARE) if color not in known.values())
    return colors(names, known)


def episode_lengths(pretrain: Sequence[Episodes], adapt: Episodes) -> go.Figure:
    """Steps of all episodes, a row for each set: a box, and each episode as a point. Log axis if they differ much."""
    figure = go.Figure()
    names = labels(pretrain, adapt)
    palette = set_colors(names)
    for name, episodes in zip(names, (*pretrain, adapt), strict=True):
        rate = episodes.rate_hz
        seconds = [f"{n / rate:.1f} s" if rate else "rate unknown" for n in episodes.lengths]
        figure.add_box(
            x=episodes.lengths, y=[name] * len(episodes), name=name, orientation="h", boxpoints="all", jitter=0.6,
            pointpos=0, marker={"color": palette[name], "size": 5, "opacity": 0.55}, line={"width": 1.5},
            fillcolor=faded(palette[name], 0.15), showlegend=False,
            text=[f"{item.name}, {time}" for item, time in zip(episodes, seconds, strict=True)],
            hovertemplate="%{text}<br>%{x} steps<extra></extra>",
        )  # fmt: skip
    steps = np.concatenate([episodes.lengths for episodes in (*pretrain, adapt)])
    if steps.max() > LOG_SPREAD * steps.min():
        ticks = [digit * 10**power for power in range(7) for digit in (1, 2, 5)]
        title = "Episode length (steps, log scale)"
        figure.update_xaxes(type="log", title=title, tickvals=ticks, ticktext=[f"{tick:,}" for tick in ticks])
    else:
        figure.update_xaxes(title="Episode length (steps)")
    figure.update_yaxes(autorange="reversed")
    return finish(figure, 120 + 46 * len(names), margin={"t": 20})


def joint_distributions(pretrain: Sequence[Episodes], adapt: Episodes) -> go.Figure:
    """Positions of each joint: boxes of 25–75 %, whiskers 1–99 % of all steps, by slot and robot.

    One panel a unit (radians, metres, gripper opening) and at most ten slots a panel.
    """
    sets = (*pretrain, adapt)
    embodiments = unify(sets)
    names = labels(pretrain, adapt)
    palette = set_colors(names)
    ticks = slot_labels([embodiments[-1].slot_names, *(e.slot_names for e in embodiments[:-1])])
    panels = _panels(embodiments)
    widest = max(len(slots) for _, slots in panels)
    # Narrow panels (a gripper, two fingers) stand beside a wide one instead of being stretched to the full width.
    side_by_side = len(panels) == 2 and len(panels[1][1]) <= 2 < widest
    widths = [max(len(slots), 2) for _, slots in panels]
    titled = 0 if side_by_side else len(panels) - 1
    figure = make_subplots(
        rows=1 if side_by_side else len(panels), cols=2 if side_by_side else 1, horizontal_spacing=0.1,
        vertical_spacing=0.3 / len(panels), column_widths=widths if side_by_side else None,
    )  # fmt: skip
    values = [np.concatenate([s.series(i) for i in range(len(s))]) for s in sets]
    for panel, (kind, slots) in enumerate(panels):
        place = {"row": 1, "col": panel + 1} if side_by_side else {"row": panel + 1, "col": 1}
        for name, embodiment, rows in zip(names, embodiments, values, strict=True):
            held = {slot: column for column, slot in enumerate(embodiment.slots)}
            own = [slot for slot in slots if slot in held and unit(embodiment.joint_names[held[slot]]) == kind]
            if not own:
                continue
            low, q1, median, q3, high = np.quantile(rows[:, [held[s] for s in own]], [0.01, 0.25, 0.5, 0.75, 0.99], 0)
            figure.add_box(
                x=[ticks[slot] for slot in own], q1=q1, median=median, q3=q3, lowerfence=low, upperfence=high,
                name=name, legendgroup=name, offsetgroup=name, showlegend=panel == 0,
                line={"color": palette[name], "width": 1.5}, fillcolor=faded(palette[name], 0.35), **place,
            )  # fmt: skip
        figure.update_yaxes(title_text=UNIT_TITLES[kind] if not side_by_side else UNIT_SHORT[kind], **place)
        figure.update_xaxes(
            categoryorder="array", categoryarray=[ticks[slot] for slot in slots], tickangle=-30,
            title_text=f"Joint (slot by slot, named as on {adapt.robot})" if panel == titled else None, **place,
        )  # fmt: skip
    return finish(figure, 470 if side_by_side else 130 + 300 * len(panels), boxmode="group", margin={"t": 20})


def slot_labels(names: Sequence[Sequence[str]]) -> list[str]:
    """Label of each unified slot: the first robot's joint there that is not `"-"`, made unique."""
    labels: list[str] = []
    for slot, column in enumerate(zip(*names, strict=True)):
        label = short(next((name for name in column if name != "-"), f"slot {slot}"))
        labels.append(label if label not in labels else f"{label} ({slot})")
    return labels


def _panels(embodiments: Sequence[Embodiment]) -> list[tuple[str, list[int]]]:
    """Slots by unit, at most ten a panel; a slot in radians on one robot and in metres on another is in both."""
    kinds: dict[str, set[int]] = {"rad": set(), "m": set(), "open": set()}
    for embodiment in embodiments:
        for slot, joint in zip(embodiment.slots, embodiment.joint_names, strict=True):
            kinds[unit(joint)].add(slot)
    return [
        (kind, sorted(slots)[start : start + PANEL_SLOTS])
        for kind, slots in kinds.items()
        for start in range(0, len(slots), PANEL_SLOTS)
    ]


def sample_episode(episodes: Episodes, index: int = 0, phase_names: Sequence[str] = ()) -> go.Figure:
    """Every joint of one episode over time (seconds; steps where the rate is unknown), phases as bands."""
    series = episodes.series(index)
    time = np.arange(len(series)) / (episodes.rate_hz or 1.0)
    kinds = [kind for kind in UNIT_TITLES if any(unit(name) == kind for name in episodes.joint_names)]
    figure = make_subplots(
        rows=len(kinds), cols=1, shared_xaxes=True, vertical_spacing=0.07,
        row_heights=[2.4 if kind == "rad" else 1.0 for kind in kinds],
    )  # fmt: skip
    palette = (BLUE, *SPARE[:7], SOFT)
    dashes = ("solid", "dash", "dot", "dashdot", "longdash")
    for column, name in enumerate(episodes.joint_names):
        figure.add_scatter(
            x=time, y=series[:, column], name=name, mode="lines", row=kinds.index(unit(name)) + 1, col=1,
            line={"color": palette[column % 9], "width": 2, "dash": dashes[column // 9 % 5]},
        )  # fmt: skip
    for row, kind in enumerate(kinds, 1):
        figure.update_yaxes(title_text=UNIT_SHORT[kind], row=row, col=1)
        if kind == "open":
            figure.update_yaxes(range=[-0.08, 1.08], row=row, col=1)
    figure.update_xaxes(title_text="Time (s)" if episodes.rate_hz else "Step", row=len(kinds), col=1)
    if episodes[index].has("phase"):
        _phase_bands(figure, time, episodes[index].read("phase"), phase_names)
    return finish(figure, 330 + 130 * (len(kinds) - 1) + 18 * max(0, len(episodes.joint_names) - 14))


def _phase_bands(figure: go.Figure, time: np.ndarray, phase: np.ndarray, names: Sequence[str]) -> None:
    edges = [0, *(np.flatnonzero(np.diff(phase)) + 1), len(phase)]
    step = time[1] - time[0] if len(time) > 1 else 1.0
    for number, (start, stop) in enumerate(pairwise(edges)):
        code = int(phase[start])
        left, right = time[start], time[stop - 1] + step
        if number % 2 == 0:
            figure.add_vrect(x0=left, x1=right, fillcolor=BAND, line_width=0, layer="below", row="all", col=1)
        figure.add_annotation(
            x=(left + right) / 2, xref="x", y=1.0 + (0.045 if number % 2 else 0.0), yref="paper", yanchor="bottom",
            text=names[code] if 0 <= code < len(names) else f"phase {code}", showarrow=False, font={"color": SOFT},
        )  # fmt: skip


def slot_map(embodiments: Sequence[Embodiment], names: Sequence[str] = ()) -> go.Figure:
    """Slot of each robot's joints in the unified vector; empty slots are masked.

    Args:
        embodiments: of each robot, all of one width.
        names: row labels; the robots' own names by default.
    """
    rows = list(names) or [e.name for e in embodiments]
    width = embodiments[0].width
    values = [[0 if n == "-" else 2 if n == "gripper" else 1 for n in e.slot_names] for e in embodiments]
    text = [["" if n == "-" else wrapped(n) for n in e.slot_names] for e in embodiments]
    lines = [line for row in text for cell in row for line in cell.split("<br>")]
    # About 7 pixels a character at size 12 on a plot of 820 pixels; below size 8 nobody reads, hover still tells.
    size = min(12, int(12 * 820 / width / (7 * max(1, *map(len, lines)))))
    tallest = max(cell.count("<br>") + 1 for row in text for cell in row)
    figure = go.Figure(
        go.Heatmap(
            z=values, x=[str(i) for i in range(width)], y=rows, customdata=[list(e.slot_names) for e in embodiments],
            text=text, texttemplate="%{text}" if size >= 8 else "", textfont={"size": max(size, 8)},
            colorscale=[[0, "#f4f6f8"], [0.34, "#f4f6f8"], [0.34, "#bcd9ec"], [0.67, "#bcd9ec"], [0.67, "#f6d9a8"],
                        [1, "#f6d9a8"]],
            zmin=0, zmax=2, showscale=False, xgap=3, ygap=3,
            hovertemplate="%{y}, slot %{x}: %{customdata}<extra></extra>",
        )
    )  # fmt: skip
    figure.update_xaxes(
        type="category", title="Slot of the unified vector (blue: arm joint, orange: gripper, empty: masked)"
    )
    figure.update_yaxes(autorange="reversed", showgrid=False)
    return finish(figure, 120 + max(42, 16 * tallest + 14) * len(embodiments), margin={"t": 20})
