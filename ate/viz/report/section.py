"""A section: what a notebook, `ate compare` or `ate sweep` shows, kept for the report at the same time.

    section = viz.Section.begin(settings, "03")
    section.figure(viz.success, results)
    section.finish(study.card(settings.command("03"), settings.seeds), verdict=lines, table=rows)

Titles and captions are in `ate.viz.report.captions`, the order of the figures is the order of the calls.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import plotly.graph_objects as go

from ate.data.episodes import Episodes
from ate.experiments.answer import ANSWER
from ate.experiments.results import RunResult
from ate.experiments.settings import Settings
from ate.experiments.summary import budget, rolled_out
from ate.policies.noise import in_words
from ate.runs.card import card
from ate.runs.directory import RunDirectory
from ate.viz.display import show_film, show_lines, show_opening, show_picture, show_table, show_warning
from ate.viz.figures.comparison import paired_differences, success
from ate.viz.figures.cost import cost
from ate.viz.figures.grid import grid, meter_grid
from ate.viz.figures.panels import panels
from ate.viz.figures.parallel import parallel_coordinates
from ate.viz.figures.response import response_curves
from ate.viz.figures.steer import guidance_anatomy, loss_curves, open_loop_error, second_axis
from ate.viz.report.alert import TINY, alerts
from ate.viz.report.captions import FIGURES, Picture
from ate.viz.report.opening import PENDING, QUESTIONS, opening
from ate.viz.tables.rows import table
from ate.viz.video import Film

# What the report shows of a comparison, and of a sweep: there only what stays legible with hundreds of cells.
COMPARED = (success, paired_differences, open_loop_error, loss_curves, guidance_anatomy)
SWEPT = (grid, response_curves, meter_grid, cost, parallel_coordinates)
# Figures that need rollouts.
ROLLED_OUT = (success, paired_differences, grid, response_curves)


@dataclass
class Section:
    """One section of a run: its figures in order, its headline and its card.

    Attributes:
        settings: of the run.
        key: number of the notebook, or a name without an underscore, e.g. `"sweep-sample-25x80"`.
        displayed: whether figures, tables and sentences also appear where the code runs.
        words: what names in braces in titles and captions stand for.
        count: figures so far.
    """

    settings: Settings
    key: str
    displayed: bool = True
    words: dict[str, Any] = field(default_factory=dict)
    count: int = 0

    @classmethod
    def begin(cls, settings: Settings, key: str, *, displayed: bool = True) -> "Section":
        """Begin a section with its question; what an earlier run kept under this key is removed."""
        section = cls(settings, key, displayed)
        section.run.begin(key)
        if displayed and key in QUESTIONS:
            show_opening(key, QUESTIONS[key], PENDING)
        return section

    @property
    def run(self) -> RunDirectory:
        """What keeps everything for the report."""
        return RunDirectory(self.settings.directory)

    def about(self, adapt: Episodes) -> None:
        """Name the adaptation robot and its task, for titles; display what is doubtful about the run."""
        self.words |= {"robot": adapt.robot, "task": adapt.task}
        known = alerts(self.run)
        if self.settings.profile == "smoke" and TINY not in known:
            known.append(TINY)
        for alert in known if self.displayed else ():
            show_warning(alert.details, alert.text, alert.level)

    def name(self, word: str) -> str:
        """A file name for the next figure or group of figures, e.g. `"03_01_success"`: names sort by order."""
        self.count += 1
        return f"{self.key}_{self.count:02d}_{word}"

    def figure(
        self, draw: Callable[..., go.Figure], *arguments: Any, entry: str = "", displayed: bool = True, **words: Any
    ) -> None:
        """Draw a figure, keep it under its title and caption, and display it.

        A figure of rollouts is replaced by a sentence where there was no simulator.

        Args:
            draw: e.g. `viz.success`.
            arguments: for `draw`; of results, their budget and guidance are known to the title.
            entry: of `ate.viz.report.captions.FIGURES`; by default the name of the function.
            displayed: whether it is displayed too, where the section is.
            words: for names in braces that neither `about` nor results give.
        """
        entry = entry or draw.__name__
        first = arguments[0] if arguments else ()
        results = first if isinstance(first, (list, tuple)) and first and isinstance(first[0], RunResult) else ()
        known = {**self.words, **_words_of(results), **words}
        title, caption = (text.format_map(known) for text in FIGURES[entry])
        if draw in ROLLED_OUT and not rolled_out(results):
            self.lines([f"Not shown, because there is no simulator: {title}."])
            return
        self.show(Picture(entry, draw(*arguments), title, caption), displayed=displayed)

    def show(self, *pictures: Picture, displayed: bool = True) -> None:
        """Keep and display pictures that bring their own words."""
        for picture in pictures:
            name = self.name(picture.name)
            self.run.save_figure(name, picture.figure, title=picture.title, caption=picture.caption)
            if self.displayed and displayed:
                show_picture(picture)

    def film(self, film: Film) -> None:
        """Keep and display a film."""
        name = self.name(film.name)
        self.run.save_film(name, film.data, title=film.title, caption=film.caption, labels=film.labels)
        if self.displayed:
            show_film(film)

    def table(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Display rows as a table."""
        if self.displayed:
            show_table(rows)

    def lines(self, lines: Sequence[str], lead: str = "") -> None:
        """Display sentences as a list, below a leading sentence where there is one."""
        if self.displayed and (lines or lead):
            show_lines(lines, lead)

    def card(self, hashes: Mapping[str, str], **config: Any) -> dict[str, Any]:
        """The run card of a notebook without a study (a study has `Study.card`).

        Args:
            hashes: of what was shown, by name.
            config: recorded in addition to the settings.
        """
        seeds, command = {"seed": self.settings.seed}, self.settings.command(self.key)
        return card({**self.settings.recorded, **config}, seeds=seeds, hashes=hashes, command=command)

    def finish(self, card: Mapping[str, Any], verdict: Sequence[str], bottom_line: str = "", **numbers: Any) -> None:
        """Display the verdict, put the answer below the question of the section, and keep headline and run card.

        Args:
            card: `ate.runs.card.card`.
            verdict: in sentences.
            bottom_line: the answer in one sentence, where there is one.
            numbers: of the headline by name; sequences of rows become tables, `answer` (`Answer.to_tree`) is the
                first screen of the report.
        """
        self.lines(verdict, numbers[ANSWER]["sentence"] if ANSWER in numbers else bottom_line)
        lead = {"bottom_line": bottom_line} if bottom_line else {}
        tables = {
            name: table(value)
            for name, value in numbers.items()
            if isinstance(value, (list, tuple)) and value and all(isinstance(row, Mapping) for row in value)
        }
        opened = opening(self.key, {**numbers, **tables}, verdict)
        if self.displayed and opened is not None:
            show_opening(self.key, *opened, update=True)
        self.run.save_headline(self.key, {**lead, "verdict": list(verdict), **numbers, **tables})
        self.run.save_card(self.key, card)


def keep_section(
    section: Section,
    results: Sequence[RunResult],
    headline: Mapping[str, Any],
    card: Mapping[str, Any],
    validated: Sequence[RunResult] = (),
) -> None:
    """Keep figures, headline and card of results that share their budget.

    A grid is drawn as such (`SWEPT`); methods of which no two form a grid are compared (`COMPARED`).

    Args:
        section: newly begun.
        results: with their λ = 0 method.
        headline: `title` of the section, `verdict`, tables.
        card: `ate.runs.card.card`.
        validated: winner and λ = 0 on held-out seeds, where they were trained on any.
    """
    for draw in SWEPT if any(len(panel.cells) > 1 for panel in panels(results)) else COMPARED:
        section.figure(draw, results)
    if validated:
        section.figure(paired_differences, validated, entry="validated")
    section.finish(card, **headline)


def _words_of(results: Sequence[RunResult]) -> dict[str, Any]:
    if not results:
        return {}
    guided = {result.spec.guidance.label() for result in results if result.lam > 0}
    return {
        "budget": budget(results),
        "axis": second_axis(results),
        "kind": in_words(results[0].parameterization),
        "seeds": len({result.seed for result in results}),
        "guidance": guided.pop() if len(guided) == 1 else "by method",
    }
