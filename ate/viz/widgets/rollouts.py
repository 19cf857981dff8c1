"""Rollouts to look at: pictures of what a trained policy does, from the simulator that judged it."""

from collections.abc import Mapping
from dataclasses import replace

from ate.experiments.replay import telling
from ate.experiments.seed_run import SeedRun, roll_out, simulated
from ate.experiments.study import Study
from ate.policies.noise import in_words
from ate.runs.device import one_thread
from ate.viz.figures.film import film_strip
from ate.viz.report.captions import Picture
from ate.viz.report.section import Section
from ate.viz.widgets.cell import film_words

# Rollouts of which the first success and the first failure are shown: pictures of all would take gigabytes.
ROLLED = 8


def show_rollouts(study: Study, trained: Mapping[str, SeedRun], section: Section, method: str = "direct") -> None:
    """Display rollouts of one method, one figure a parameterisation; a sentence where there is no simulator.

    A simulator of the user's own gives its pictures where its address names some (`image=`), else the joints over time.

    Args:
        study: settings and policies.
        trained: by parameterisation, as `Study.train_again` gives it.
        section: keeps the figures for the report.
        method: which of those that were trained.
    """
    for kind, done in trained.items():
        experiment = study.experiment(kind)
        if not simulated(done.episodes, experiment.task):
            section.lines(["No simulator knows this robot and task: there are no rollouts to look at."])
            return
        few = replace(experiment, rollouts=min(ROLLED, experiment.rollouts))
        with one_thread():
            rollouts = roll_out(few, done.trained[method].policy, done.episodes, 0, record=True)
        count = f"{int(rollouts.success.sum())} of {len(rollouts.success)} rollouts succeed."
        words = f"{film_words(rollouts)} {method.capitalize()}, training seed 0: {count}"
        film = film_strip(rollouts, telling(rollouts.success))
        title = f"Rollouts on {study.adapt.robot}, {in_words(kind)}"
        section.show(Picture(f"film_{kind.replace('_', '-')}", film, title, words))
