"""The look of every figure: one template, a fixed colour per robot and per method, units on axes.

Colours are those of Okabe and Ito (2008), distinguishable with all common forms of colour blindness.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import ArrayLike

INK, SOFT, GRID, BAND = "#1f2a36", "#5c6773", "#e4e8ec", "#eef1f4"
BLUE, ORANGE, GREEN, RED, PINK, SKY, BROWN = (
    "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#7A4B1E",
)  # fmt: skip
ROBOTS = {"panda": BLUE, "sawyer": ORANGE, "iiwa14": GREEN, "xarm7": PINK, "xarm6": SKY, "ur5e": RED, "gen3": BROWN}
METHODS = {
    "direct": "#3b4754", "scratch": "#a3acb5", "retarget": GREEN, "tool-motion guidance": BLUE, "tool space": PINK,
    "published shift": RED, "untrained encoder": ORANGE, "guidance at demonstrations": SKY,
}  # fmt: skip
SPARE = (GREEN, PINK, SKY, RED, BROWN, "#6A51A3", "#B8A600", ORANGE, BLUE)
# Colours of clamps in ablations; λ is shown by the tint.
CLAMPS = (BLUE, ORANGE, GREEN, PINK, SKY, RED)
# Ticks at powers of ten; plotly draws them a quarter larger than requested.
LOG: dict[str, Any] = {"type": "log", "exponentformat": "power", "dtick": 1, "tickfont": {"size": 10.4}}
# Above this many points a figure is painted with WebGL; browsers allow few WebGL figures on one page.
SVG_POINTS = 5000

_AXIS: dict[str, Any] = {
    "gridcolor": GRID, "linecolor": SOFT, "showline": True, "ticks": "outside", "tickcolor": SOFT, "ticklen": 4,
    "zerolinecolor": GRID, "automargin": True, "title": {"standoff": 10, "font": {"size": 14}},
}  # fmt: skip
TEMPLATE = go.layout.Template(
    layout={
        "font": {"family": "Liberation Sans, Arial, Helvetica, sans-serif", "size": 13, "color": INK},
        "paper_bgcolor": "white",
        "plot_bgcolor": "white",
        "colorway": [BLUE, *SPARE],
        "xaxis": _AXIS,
        "yaxis": _AXIS,
        "margin": {"l": 70, "r": 30, "t": 50, "b": 60},
        "legend": {"x": 1.01, "xanchor": "left", "y": 1, "yanchor": "top", "bgcolor": "rgba(255,255,255,0)",
                   "itemsizing": "constant"},
        "hoverlabel": {"font": {"size": 13}, "align": "left"},
        "title": {"x": 0, "xref": "paper", "xanchor": "left", "font": {"size": 15}, "yref": "container", "y": 0.97},
    }
)  # fmt: skip


def colors(names: Iterable[str], known: dict[str, str]) -> dict[str, str]:
    """Colour of each name: its fixed one if it has one, else the next unused."""
    chosen = {name: known[name] for name in dict.fromkeys(names) if name in known}
    unused = [color for color in SPARE if color not in chosen.values()] or list(SPARE)
    others = [name for name in dict.fromkeys(names) if name not in chosen]
    return {**chosen, **{name: unused[i % len(unused)] for i, name in enumerate(others)}}


def faded(color: str, alpha: float) -> str:
    """A hex colour with transparency, e.g. `"rgba(0,114,178,0.2)"`."""
    red, green, blue = (int(color[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{alpha})"


def tinted(color: str, white: float) -> str:
    """A hex colour mixed with a share of white in [0, 1], e.g. `"#7fb8d8"`: lighter, but covering."""
    return "#" + "".join(f"{round((1 - white) * int(color[i : i + 2], 16) + white * 255):02x}" for i in (1, 3, 5))


def nested(place: int, count: int) -> dict[str, Any]:
    """Line and marker of the `place`-th of `count` curves: ever thinner, so that coinciding curves stay visible."""
    share = place / max(count - 1, 1)
    return {"line": {"width": 5 - 3 * share}, "marker": {"size": 9 - 4 * share}}


def add_band(figure: go.Figure, x: ArrayLike, low: ArrayLike, high: ArrayLike, color: str, **style: Any) -> None:
    """Fill the area between the curves `low` and `high` `(n,)` over `x` `(n,)`, without a legend entry."""
    figure.add_scatter(
        x=np.concatenate([x, np.flip(x)]), y=np.concatenate([high, np.flip(low)]), fill="toself",
        fillcolor=faded(color, 0.14), line={"width": 0}, mode="lines", hoverinfo="skip", showlegend=False, **style,
    )  # fmt: skip


def whiskers(mean: ArrayLike, low: ArrayLike, high: ArrayLike, thickness: float = 1.5) -> dict[str, Any]:
    """Error bars from `low` to `high` around each mean, all `(n,)`."""
    return {"type": "data", "symmetric": False, "array": np.subtract(high, mean), "arrayminus": np.subtract(mean, low),
            "thickness": thickness, "width": 4}  # fmt: skip


def finish(figure: go.Figure, height: int, **layout: Any) -> go.Figure:
    """Put the template on a figure; `height` in pixels, the width follows the page."""
    figure.update_layout(template=TEMPLATE, height=height, autosize=True, **layout)
    figure.update_annotations(font_size=14)
    return figure


# Units of joints in words, by what `unit` gives.
UNITS = {"rad": "rad", "m": "m", "open": "0–1"}


def unit(joint: str) -> str:
    """What a joint's values are in, judged by its name: `"rad"`, `"m"` (fingers) or `"open"` (opening, 0 to 1)."""
    name = joint.lower()
    if name == "gripper":
        return "open"
    return "m" if "finger" in name else "rad"


def short(name: str, length: int = 16) -> str:
    """A name that fits under an axis. Its end is kept, because joints differ there, without a final `_joint`."""
    name = name.removesuffix("_joint")
    return name if len(name) <= length else "…" + name[-(length - 1) :]


def signed(value: float) -> str:
    """A number with one digit and its sign, the minus as wide as the plus."""
    return f"{value:+.1f}".replace("-", "−")


def wrapped(name: str, length: int = 11) -> str:
    """A joint's name in lines of about `length` characters, broken at underscores, without a closing `_joint`."""
    lines = [""]
    for part in name.removesuffix("_joint").split("_"):
        if lines[-1] and len(lines[-1]) + 1 + len(part) > length:
            lines.append(part)
        else:
            lines[-1] = f"{lines[-1]}_{part}" if lines[-1] else part
    return "<br>".join(lines)


def error_title(joints: Iterable[str]) -> str:
    """Axis title of absolute errors, with the units these joints are in."""
    names = {"rad": "rad", "m": "fingers m", "open": "gripper 0–1"}
    quantities = {unit(joint) for joint in joints}
    return f"Absolute error ({'; '.join(text for kind, text in names.items() if kind in quantities)})"
