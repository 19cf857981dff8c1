"""Rollouts to look at: pictures of what a trained policy does, from the simulator that judged it."""

from collections.abc import Mapping
from dataclasses import replace

from ate.experiments.seed_run import SeedRun, roll_out, simulated
from ate.experiments.study import Study
from ate.policies.noise import in_words
from ate.runs.device import one_thread
from ate.viz.report.contrast import FIRST, show_parts, telling_parts
from ate.viz.report.section import Section

# Rollouts of which the first success and the first failure are shown: pictures of all would take gigabytes.
ROLLED = 8


def show_rollouts(study: Study, trained: Mapping[str, SeedRun], section: Section, method: str = "direct") -> None:
    """Display rollouts of one method, one film a parameterisation; a sentence where there is no simulator.

    A simulator of the user's own gives its pictures where its address names some (`image=`), else the joints over time.

    Args:
        study: settings and policies.
        trained: by parameterisation, as `ate.experiments.seed_runs` gives it.
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
        words = f"{FIRST} {method.capitalize()}, training seed 0: {count}"
        title = f"Rollouts on {study.adapt.robot}, {in_words(kind)}"
        show_parts(section, telling_parts(rollouts), f"film_{kind.replace('_', '-')}", title, words)
