"""The slot picture: RDT's 128-slot vector as a sheet of cells for each robot."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from ate.errors import InputError
from ate.robots import RDT_WIDTH, Embodiment, slot_name
from ate.viz.style import BLUE, GREEN, INK, ORANGE, RED, SOFT, finish, tinted, wrapped

COLUMNS = 16
ROWS = RDT_WIDTH // COLUMNS
KINDS = {"right": BLUE, "left": ORANGE, "base": GREEN, "reserved": "#a3acb5"}
TITLES = {"right": "Right arm", "left": "Left arm", "base": "Mobile base", "reserved": "Reserved"}
PARTS = {"arm_joint": "arm", "gripper_joint": "gripper", "arm_velocity": "arm vel.",
         "gripper_velocity": "gripper vel.", "end_effector_position": "position",
         "end_effector_rotation": "rotation"}  # fmt: skip


def slot_picture(
    embodiments: Sequence[Embodiment], names: Sequence[str] = (), mask: Sequence[int] | None = None
) -> go.Figure:
    """Which of the 128 named slots each robot's joints take: filled where used, pale where masked.

    Args:
        embodiments: of each robot, all of 128 slots.
        names: panel titles; the robots' own names by default.
        mask: slots of a mask to check; used slots that it lacks and unused slots that it has are outlined.

    Raises:
        InputError: an embodiment is of another width, or there is none.
    """
    wrong = [f"{body.name} with {body.width}" for body in embodiments if body.width != RDT_WIDTH]
    if wrong or not embodiments:
        got, fix = ", ".join(wrong) or "no embodiment", "make them with layout 'rdt'"
        raise InputError(got, where="slot picture", expected=f"embodiments of {RDT_WIDTH} slots", fix=fix)
    titles = list(names) or [body.name for body in embodiments]
    height = 400 * len(embodiments) + 100
    figure = make_subplots(len(embodiments), 1, subplot_titles=titles, vertical_spacing=46 / (height - 100))
    for kind, color in KINDS.items():
        figure.add_scatter(
            x=[None], y=[None], mode="markers", name=TITLES[kind],
            marker={"symbol": "square", "size": 13, "color": color},
        )  # fmt: skip
    for row, body in enumerate(embodiments, 1):
        _sheet(figure, row, body)
        if mask is not None:
            _compare(figure, row, body, mask, row == 1)
    figure.update_xaxes(
        range=[-0.5, COLUMNS - 0.5], dtick=1, showgrid=False, zeroline=False, showline=False, ticks="", title_text=None
    )
    figure.update_xaxes(
        title_text="Slot within its row (strong colour: used by the robot, faint: masked)", row=len(titles)
    )
    figure.update_yaxes(
        range=[ROWS - 0.5, -0.5], tickvals=list(range(ROWS)), ticktext=[str(COLUMNS * i) for i in range(ROWS)],
        showgrid=False, zeroline=False, showline=False, ticks="", title_text="First slot",
    )  # fmt: skip
    return finish(figure, height, margin={"t": 80}, legend={"orientation": "h", "x": 0, "y": 1 + 36 / (height - 140),
                                                            "yanchor": "bottom"})  # fmt: skip


def _kind(name: str) -> str:
    return name.split("_", 1)[0]


def _label(place: int, joint: str) -> str:
    """Text of a cell: the slot and, if there is room, the joint or the part that starts there."""
    slot = slot_name(place)
    if joint != "-":
        # Two lines fit; joints differ in the end of their names.
        name = joint.removeprefix(f"{_kind(slot)}_")
        return "<br>".join([f"<b>{place}</b>", *wrapped(name, 9).split("<br>")[-2:]])
    if slot == "base_velocity_x":
        return f"{place}<br>base"
    start = next((text for mark, text in PARTS.items() if slot.endswith((f"_{mark}_0", f"_{mark}_x"))), "")
    return f"{place}<br>{start}" if start else str(place)


def _sheet(figure: go.Figure, row: int, body: Embodiment) -> None:
    shades = [tinted(color, white) for color in KINDS.values() for white in (0.86, 0.35)]
    values, texts, hovers = [], [], []
    for place, joint in enumerate(body.slot_names):
        name = slot_name(place)
        values.append(2 * list(KINDS).index(_kind(name)) + (joint != "-"))
        texts.append(_label(place, joint))
        hovers.append(f"slot {place}, {name}<br>{'masked' if joint == '-' else joint}")
    sheets = [np.reshape(cells, (ROWS, COLUMNS)).tolist() for cells in (values, texts, hovers)]
    count = len(shades)
    scale = [[(i + edge) / count, shade] for i, shade in enumerate(shades) for edge in (0, 1)]
    figure.add_heatmap(
        z=sheets[0], text=sheets[1], customdata=sheets[2], texttemplate="%{text}",
        textfont={"size": 10, "color": INK}, colorscale=scale, zmin=-0.5, zmax=count - 0.5, showscale=False,
        xgap=2, ygap=2, hovertemplate="%{customdata}<extra></extra>", row=row, col=1,
    )  # fmt: skip


def _compare(figure: go.Figure, row: int, body: Embodiment, mask: Sequence[int], legend: bool) -> None:
    """Outline slots that are used but not in the mask, and slots that are in the mask but not used."""
    used, masked = set(body.slots), {int(place) for place in mask if 0 <= place < RDT_WIDTH}
    for title, places, dash, color in (
        ("Used, but left out of the mask", used - masked, "solid", RED),
        ("In the mask, but not used", masked - used, "dot", SOFT),
    ):
        for place in sorted(places):
            x, y = place % COLUMNS, place // COLUMNS
            figure.add_shape(
                x0=x - 0.48, x1=x + 0.48, y0=y - 0.47, y1=y + 0.47, line={"color": color, "width": 3, "dash": dash},
                row=row, col=1,
            )  # fmt: skip
        if legend:
            figure.add_scatter(x=[None], y=[None], mode="lines", name=title,
                               line={"color": color, "width": 3, "dash": dash})  # fmt: skip
