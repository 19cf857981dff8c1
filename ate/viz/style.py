"""The look of every figure: one template, a fixed colour per robot and per method, units on axes.

Colours are those of Okabe and Ito (2008), distinguishable with all common forms of colour blindness.
"""

from collections.abc import Iterable, Sequence
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
# Its ticks are chosen by `finish`, from the data.
LOG: dict[str, Any] = {"type": "log"}
# Decades beyond which a log axis has powers of ten, and within which it has even steps: between them 1, 2, 5.
WIDE, NARROW = 2.0, 0.7
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
    """Put the template on a figure, and ticks on its log axes; `height` in pixels, the width follows the page."""
    figure.update_layout(template=TEMPLATE, height=height, autosize=True, **layout)
    figure.update_annotations(font_size=14)
    for letter in "xy":
        _tick_log_axes(figure, letter)
    return figure


def log_ticks(low: float, high: float) -> dict[str, Any]:
    """Places and texts of at least three ticks of a log axis from `low` to `high`, both above 0 and not equal.

    Beyond two decades powers of ten, then 1, 2 and 5 of each, and within a factor of five even steps: plotly's own
    ticks leave an axis within one decade bare, or crowd it with lone digits.
    """
    # plotly adds a twentieth at either end.
    room = max(0.06 * np.log10(high / low), 0.01)
    start, end = np.log10(low) - room, np.log10(high) + room
    decades = np.arange(np.floor(start), np.ceil(end) + 1)
    powers = 10.0 ** decades[:: int(np.ceil((end - start) / 8))]
    steps = np.outer(10.0**decades, (1, 2, 5)).ravel()
    # The coarsest that fits the span, and finer where it leaves fewer than three ticks.
    kinds = [powers] if end - start > WIDE else []
    kinds += [steps] if end - start > NARROW else []
    kinds += [_even_ticks(10**start, 10**end, count) for count in (5, 8)]
    inside = [kind[(kind >= 10**start) & (kind <= 10**end)] for kind in kinds]
    values = max(inside, key=lambda ticks: min(len(ticks), 3))
    return {"tickvals": values.tolist(), "ticktext": [_tick_text(value) for value in values]}


def _even_ticks(start: float, end: float, count: int) -> np.ndarray:
    """At most so many round numbers with even steps between two."""
    rough = (end - start) / count
    power = 10 ** np.floor(np.log10(rough))
    step = power * next(m for m in (1, 2, 5, 10) if m * power >= rough)
    return step * np.arange(np.ceil(start / step), np.floor(end / step) + 1)


def _tick_text(value: float) -> str:
    if 1e-3 <= value < 1e4:
        return f"{value:.3g}" if value < 1000 else f"{value:,.0f}"
    digits, exponent = f"{value:.0e}".split("e")
    power = f"10<sup>{int(exponent)}</sup>".replace("-", "−")
    return power if digits == "1" else f"{digits}·{power}"


def _tick_log_axes(figure: go.Figure, letter: str) -> None:
    """Ticks for the log axes of one direction; axes that match one another get the same."""
    axes = {a.plotly_name.replace("axis", ""): a for a in _axes(figure, letter)}
    groups: dict[str, list[str]] = {}
    for name, axis in axes.items():
        if axis.type == "log":
            groups.setdefault(axis.matches or name, []).append(name)
    for names in groups.values():
        given = next((axes[name].range for name in names if axes[name].range), None)
        values = 10.0 ** np.asarray(given, float) if given else _values(figure, letter, names)
        if len(values):
            for name in names:
                axes[name].update(log_ticks(float(values.min()), float(values.max())))


def _axes(figure: go.Figure, letter: str) -> Iterable[Any]:
    return figure.select_xaxes() if letter == "x" else figure.select_yaxes()


def _values(figure: go.Figure, letter: str, names: Sequence[str]) -> np.ndarray:
    """Positive values of all traces and lines on these axes; plotly makes room for both."""
    traces = (t for t in figure.data if (getattr(t, f"{letter}axis", None) or letter) in names)
    parts = [np.array([value for value in trace[letter] if value is not None], float) for trace in traces]
    lines = (shape for shape in figure.layout.shapes if shape[f"{letter}ref"] in names)
    parts += [np.array([line[f"{letter}0"], line[f"{letter}1"]], float) for line in lines]
    values = np.concatenate([np.empty(0), *parts])
    return values[np.isfinite(values) & (values > 0)]


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
