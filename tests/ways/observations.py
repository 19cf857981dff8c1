"""Ways out of observations that differ between sets and simulator."""

from dataclasses import replace

import h5py
import numpy as np

from ate.data import load
from ate.experiments import preflight
from ate.experiments.settings import settings
from tests.experiments.test_own_simulator import REACH, SMALL, record
from tests.ways.taking import way
from tests.ways.worlds import world


def _reach(p):
    record(p.path / "old", "old", 4, swapped=True)
    record(p.path / "new", "new", 4, swapped=False)
    record(p.path / "stateless", "new", 4, swapped=False, state=False)

    def ready(**more):
        given = {"run": str(p.path / "run"), "pretrain": str(p.path / "old"), "adapt": str(p.path / "new"), **more}
        return preflight(settings({**SMALL, **given}), strict=False)

    return ready


@way("experiments/observability.py check_observations", "experiments/observability.py check_observations#2",
     "experiments/observability.py _check_simulator", "experiments/observability.py _check_simulator#2")  # fmt: skip
def _(p):
    ready = _reach(p)
    if p.site.endswith("check_observations"):
        option, value = yield lambda: ready(adapt=str(p.path / "stateless")), r"with (blind)=(true)"
        ready(adapt=str(p.path / "stateless"), **{option: value})
        yield lambda: ready(adapt=str(p.path / "stateless")), "record it as `state`"
        ready()
    elif p.site.endswith("check_observations#2"):
        name, kind = yield lambda: ready(task="lift", simulator=""), r"\((simulator)=(gym:)ID\), or leave task out"
        assert REACH.startswith(kind)
        ready(**{name: REACH})
        ready(simulator="")
    elif p.site.endswith("_check_simulator"):
        for robot in ("old", "new"):
            _third(p.path / robot)
        wide = REACH
        parameter = yield (
            lambda: ready(simulator=wide),
            r"choose them with qpos=KEY\[first:last\].*an observation has (.*)$",
        )
        key = parameter.split(" ")[0]
        two = {"joints": "x,y", "joints_pretrain": "x,y"}
        ready(simulator=REACH.replace("qpos=agent/at", f"qpos={key}[0:2]"), **two)
    else:
        twice = REACH.replace("state=goal", "state=goal+goal")
        option, value, keys = yield lambda: ready(simulator=twice), r"with (blind)=(true); an observation has (.*)$"
        ready(simulator=REACH.replace(",state=goal", ""), **{option: value})
        assert "goal" in keys
        ready(simulator=twice.replace("goal+goal", "goal"))


@way("experiments/observability.py check_observations#4")
def _(p):
    from ate.experiments.observability import check_observations

    w = world()
    wide = [replace(s, items=tuple(_wide(item) for item in s)) for s in (w.old, w.new)]
    chosen = settings({"profile": "smoke", "task": "lift", "run": str(p.path / "run")})
    name, option, value = yield (
        lambda: check_observations(chosen, [wide[0]], wide[1]),
        r"\((simulator)=gym:ID\), or .* with (\w+)=(\w+)",
    )
    blind = settings({"profile": "smoke", "task": "lift", "run": str(p.path / "run"), option: value})
    check_observations(blind, [wide[0]], wide[1])
    assert name in blind.parameters


def _third(folder):
    """A third column, which the simulator has not."""
    for item in load(folder):
        rows = np.hstack([item.qpos, item.qpos[:, :1]])
        names = ["x", "y", "z"]
        file = item.path
        with h5py.File(file, "r+") as handle:
            del handle["qpos"]
            handle["qpos"] = rows
            handle.attrs["joint_names"] = names


def _wide(item):
    from ate.data.series import Series

    state = np.zeros((len(item), 3), "f4")
    return replace(item, series={**item.series, "state": Series.of(state, "here")})
