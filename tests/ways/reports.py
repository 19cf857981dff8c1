"""Ways out of figures and reports."""

import numpy as np

from ate.experiments.methods import DIRECT
from ate.robots import unify
from ate.runs.directory import RunDirectory
from tests.experiments import test_comparisons
from tests.robots.test_slots import recording
from tests.ways.taking import way


@way("viz/figures/film.py film_strip")
def _(p):
    from ate.sim.rollout import rollout
    from ate.viz.figures.film import film_strip

    def hold(qpos, state):
        return np.repeat(qpos[:, None], 4, 1)

    plain = rollout(hold, "ur5e", "lift", [1], horizon_steps=4, execute=4)
    name, value = yield lambda: film_strip(plain, [0]), r"pass (\w+)=(\w+)"
    film_strip(rollout(hold, "ur5e", "lift", [1], horizon_steps=4, execute=4, **{name: value == "True"}), [0])


@way("viz/figures/panels.py _panel")
def _(p):
    from ate.viz.figures.panels import panels

    runs = [test_comparisons.result("λ = 2", seed, 0.5) for seed in range(2)]
    yield lambda: panels(runs), "train the λ = 0 method with the same seeds"
    assert panels([*runs, *(test_comparisons.result(DIRECT, seed, 0.4) for seed in range(2))])


@way("viz/figures/slots.py slot_picture")
def _(p):
    from ate.viz.figures.slots import slot_picture

    sets = [recording("panda", 7)]
    layout = yield lambda: slot_picture(unify(sets)), r"layout '(\w+)'"
    slot_picture(unify(sets, layout=layout))


@way("viz/report/write.py write_report")
def _(p):
    from ate.viz.report.write import write_report

    yield lambda: write_report([]), "name runs/<name>"
    run = RunDirectory(p.path / "run").create()
    run.save_headline("01", {"doctor": ["x"]})
    write_report(run)
