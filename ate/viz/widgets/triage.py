"""The triage grid: episodes as buttons and as a heat map; a click shows the joints beside, a switch excludes it."""

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from html import escape
from math import isfinite
from pathlib import Path

import ipywidgets as widgets
from IPython.display import display

from ate.data import excludes
from ate.data.cameras import clips
from ate.data.doctor.dataset_report import DatasetReport
from ate.data.doctor.report import Triage
from ate.data.survey import stem
from ate.errors import InputError
from ate.viz.display import draw, in_batch
from ate.viz.figures.camera import camera_strip
from ate.viz.figures.episode import episode_joints
from ate.viz.figures.triage import ranked, triage_grid
from ate.viz.report.section import Section
from ate.viz.style import INK, RED, SOFT
from ate.viz.widgets.figure import FigureWidget, Point

MOST_BUTTONS = 120
# Of the buttons, which scroll beyond it, and width of the heat map, pixels: the episode stands at their right.
HEIGHT, HEAT_MAP = "640px", 520
COLOURS = {"ordinary": "#dbe7ef", "odd": "#f6d9a8", "cannot be used": "#f0a58f"}
OUT, EXCLUDE = "left out", "Exclude this episode"
AGAIN = "It takes effect when the cells above run again: Kernel, Restart Kernel and Run All Cells."


def show_triage(sets: Sequence[DatasetReport], file: Path, section: Section | None = None) -> None:
    """Display the triage grid of these sets, chosen by a drop-down where there are several; nothing in batch.

    Args:
        sets: what was examined.
        file: the exclude list that the switch writes.
        section: keeps the heat map of the first set for the report, and displays it in batch.
    """
    if section is not None:
        section.figure(triage_grid, sets[0].report, displayed=in_batch())
    if in_batch():
        return
    grids = {examined.prefix.rstrip("/") or examined.label: partial(TriageGrid, examined, file) for examined in sets}
    first = next(iter(grids))
    if len(grids) == 1:
        display(grids[first]().box)
        return
    choice = widgets.Dropdown(options=list(grids), value=first, description="set")
    place = widgets.VBox([grids[first]().box])

    def refresh(_: object = None) -> None:
        place.children = (grids[choice.value]().box,)

    choice.observe(refresh, names="value")
    display(widgets.VBox([choice, place]))


class TriageGrid:
    """Buttons and heat map of one set at the left; switch and picture of the episode that was clicked at the right.

    Attributes:
        box: the whole, to display.
        heat_map: the episodes by measures; a click on a row is one on its button.
        buttons: one an episode, the oddest first, by name.
        switch: pressed where the episode that was clicked is on the exclude list.
        status: what was done last, or what went wrong.
    """

    def __init__(self, examined: DatasetReport, file: Path) -> None:
        """Build the grid of `examined`; `file` is the exclude list that the switch writes, made when needed."""
        self.examined = examined
        self.file = Path(file)
        self.chosen: Triage | None = None
        listed = self._listed()
        # Left out by a parameter, which this grid cannot change.
        self.by_parameter = {stem(name) for name in examined.data.exclude} - set(listed)
        self.triage = {triage.episode: triage for triage in _all_episodes(examined)}
        shown = list(self.triage.values())[:MOST_BUTTONS]
        self.buttons = {triage.episode: self._button(triage) for triage in shown}
        self.switch = widgets.ToggleButton(
            description=EXCLUDE, icon="ban", disabled=True, layout={"width": "220px", "margin": "8px 2px"}
        )
        self.status = widgets.HTML(_note("Click an episode to see its joints."))
        self.output = widgets.Output()
        self.switch.observe(self._switched, names="value")
        rest = len(self.triage) - len(shown)
        more = [widgets.HTML(_note(f"{rest:,} more episodes, less odd than these, have no button."))] if rest else []
        grid = widgets.Box(list(self.buttons.values()), layout={"flex_flow": "row wrap", "width": "100%"})
        grid.add_class("ate-triage")
        self.heat_map = self._heat_map()
        tabs = widgets.Tab([widgets.VBox([grid, *more]), self.heat_map], titles=("Episodes", "Measures"))
        tabs.layout = {"width": "46%", "max_height": HEIGHT, "overflow": "auto"}
        right = widgets.VBox([self.status, self.switch, self.output], layout={"width": "54%", "padding": "0 0 0 14px"})
        right.add_class("ate-episode")
        chip = f"<span style='background:{{}};color:{INK};padding:1px 8px;margin-right:10px'>{{}}</span>"
        chips = "".join(chip.format(colour, kind) for kind, colour in COLOURS.items())
        counts = Counter(map(_kind, self.triage.values()))
        summary = ", ".join(f"{counts[kind]:,} {kind}" for kind in COLOURS if counts[kind])
        out = len(set(listed) | self.by_parameter)
        summary += f"; {out:,} left out" if out else ""
        text = f"{chips}<s>left out</s> &nbsp; {summary}. The number is the oddness."
        self.box = widgets.VBox([widgets.HTML(_note(text)), widgets.HBox([tabs, right])])
        self.box.add_class("ate-triage-set")

    def _heat_map(self) -> FigureWidget:
        figure = triage_grid(self.examined.report)
        # The words at the right are in the status line, and the tab scrolls.
        figure.layout.annotations = ()
        figure.update_layout(margin={"r": 10, "b": 70}, width=HEAT_MAP)
        shown = ranked(self.examined.report)
        known = FigureWidget(figure)

        def clicked(points: Sequence[Point]) -> None:
            for point in points[:1]:
                self._guarded(self._click, shown[int(point.y)])

        known.on_click(clicked)
        return known

    def _entries(self) -> dict[str, str]:
        return excludes.read(self.file) if self.file.exists() else {}

    def _listed(self) -> dict[str, str]:
        """Names on the list that are of this set, without their prefix, with the reasons."""
        names, prefix = self._entries(), self.examined.prefix
        return {stem(n.removeprefix(prefix)): reason for n, reason in names.items() if n.startswith(prefix)}

    def _button(self, triage: Triage) -> widgets.Button:
        button = widgets.Button(layout={"width": "auto", "margin": "2px", "border": "2px solid transparent"})
        button.tooltip = "\n".join(triage.reasons) or "ordinary"
        button.style.button_color = COLOURS[_kind(triage)]
        button.on_click(lambda _: self._guarded(self._click, triage))
        self._label(button, triage)
        return button

    def _label(self, button: widgets.Button, triage: Triage) -> None:
        name = triage.episode if len(triage.episode) <= 24 else "…" + triage.episode[-23:]
        odd = "unusable" if not isfinite(triage.oddness) else "" if triage.oddness < 0 else f"{triage.oddness:.1f}"
        out = stem(triage.episode) in self._listed() or stem(triage.episode) in self.by_parameter
        button.description = " · ".join(part for part in (name, odd, OUT if out else "") if part)
        button.style.text_decoration = "line-through" if out else "none"
        button.style.text_color = SOFT if out else INK

    def _guarded(self, act: Callable[..., None], *arguments: object) -> bool:
        """Do it and say whether it was done; bad data stand in the status line, any other error below it."""
        with self.output:
            try:
                act(*arguments)
                return True
            except InputError as error:
                self.status.value = f"<p style='color:{RED};max-width:60em'><b>{escape(str(error))}</b></p>"
        return False

    def _click(self, triage: Triage) -> None:
        for name, button in self.buttons.items():
            button.layout.border = f"2px solid {RED if name == triage.episode else 'transparent'}"
        self.output.clear_output()
        self.chosen = triage
        by_parameter = stem(triage.episode) in self.by_parameter
        self.switch.disabled = by_parameter
        self.switch.value = by_parameter or stem(triage.episode) in self._listed()
        self._name_switch()
        why = "; ".join(triage.reasons) or "nothing odd about it"
        message = f"<b>{escape(triage.episode)}</b>, {triage.steps:,} steps: {escape(why)}."
        if by_parameter:
            message += " It is excluded by a parameter of this notebook. Change that parameter to include it again."
        self.status.value = _note(message + f"<br>{escape(triage.file)}")
        self._draw(triage)

    def _draw(self, triage: Triage) -> None:
        episodes = self.examined.all
        names = [] if episodes is None else [item.name for item in episodes]
        if episodes is not None and triage.episode in names:
            index = names.index(triage.episode)
            draw(episode_joints(episodes, index, self.examined.profile, narrow=True))
            if clips(episodes, index):
                draw(camera_strip(episodes, index))
            return
        for item in self.examined.broken:
            if item.name == triage.episode:
                raise item.error

    def _switched(self, change: dict[str, bool]) -> None:
        if self.chosen is not None and stem(self.chosen.episode) not in self.by_parameter:
            if self._guarded(self._write, self.chosen, change["new"]):
                return
            self.switch.unobserve(self._switched, names="value")
            self.switch.value = change["old"]
            self.switch.observe(self._switched, names="value")

    def _write(self, triage: Triage, leave_out: bool) -> None:
        """Bring the list to what the switch says; a list that says so already is left alone."""
        names = self._entries()
        entries = [n for n in names if stem(n) == f"{self.examined.prefix}{stem(triage.episode)}"]
        if bool(entries) == leave_out:
            return
        if leave_out:
            names[f"{self.examined.prefix}{stem(triage.episode)}"] = "; ".join(["clicked", *triage.reasons])
        else:
            names = {name: reason for name, reason in names.items() if name not in entries}
        excludes.write(self.file, names)
        self._label(self.buttons[triage.episode], triage)
        self._name_switch()
        did = "written to" if leave_out else "taken out of"
        self.status.value = _note(f"<b>{escape(triage.episode)}</b> {did} {escape(str(self.file))}. {AGAIN}")

    def _name_switch(self) -> None:
        self.switch.description = "Excluded; take it back" if self.switch.value else EXCLUDE
        self.switch.icon = "undo" if self.switch.value else "ban"


def _all_episodes(examined: DatasetReport) -> list[Triage]:
    """All episodes of a set, the oddest first; those that are left out already were not measured and go last."""
    measured = sorted(examined.report.triage, key=lambda triage: -triage.oddness)
    known = {stem(triage.episode) for triage in measured}
    others = [(i.name, str(i.path), len(i)) for i in examined.all or ()]
    others += [(i.name, str(i.path), 0) for i in examined.broken]
    reasons = ("left out, not measured",)
    left = [Triage(name, file, n, -1.0, {}, reasons) for name, file, n in others if stem(name) not in known]
    return [*measured, *left]


def _kind(triage: Triage) -> str:
    if not isfinite(triage.oddness):
        return "cannot be used"
    return "odd" if triage.reasons and triage.oddness >= 0 else "ordinary"


def _note(html: str) -> str:
    return f"<div style='max-width:70em;line-height:1.4'>{html}</div>"
