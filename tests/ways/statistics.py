"""Ways out of series, rates and statistics that do not fit."""

import json
from dataclasses import replace

import numpy as np

from ate.data import Normalizer, load, spaces
from ate.data.passport import Passport
from ate.data.rate import at_rate
from ate.data.space import check_joints
from ate.data.statistics import Statistics
from ate.diagnose.checkpoint_statistics import check_statistics
from tests.conftest import write_episode
from tests.data.formats import makers
from tests.data.formats.truth import NAMES, truth
from tests.ways.sets import PANDA, UR5E, few, native
from tests.ways.taking import read, way


@way("data/normalize.py Normalizer.__post_init__")
def _(p):
    from ate.data.normalize import fit

    yield lambda: Normalizer(np.ones(3), np.zeros(3)), "fit the normaliser on episodes"
    fit(load(native(p)))


@way("data/passport.py Passport._mismatch")
def _(p):
    space = spaces([few(PANDA)])[0]
    one, other = Passport.of(space, 8), Passport.of(space, 16)
    yield lambda: one.check(other, "here"), "chunk length and data that belong together"
    one.check(Passport.of(space, 8), "here")


@way("data/rate.py at_rate")
def _(p):
    episodes = load(native(p))
    hz = yield lambda: at_rate(episodes, 0.0), r"say, (\d+)"
    at_rate(episodes, float(hz))


@way("data/rate.py _resampled")
def _(p):
    for number in range(2):
        write_episode(p.set, number, next(truth(number)))
    key, parameter, option = yield (
        lambda: at_rate(load(p.set), 10),
        r"record (\w+) as an attribute of the file, or give it: (\w+)= of ate\.data\.load, (--\w+)",
    )
    at_rate(load(p.set, **{parameter: 20.0}), 10)
    p.ate("doctor", p.set, option, 20)
    for number in range(2):
        write_episode(p.set, number, next(truth(number)), **{key: 20.0})
    at_rate(load(p.set), 10)


@way("data/formats/companions.py pair")
def _(p):
    for number in range(2):
        write_episode(p.set, number, next(truth(number)))
    name, value = yield lambda: load(p.set, source="action"), r"use (\w+)='(\w+)', or record the commands"
    read(p.set, **{name: value})
    for number in range(2):
        qpos, action = truth(number)
        write_episode(p.set, number, qpos, action=action)
    read(p.set, source="action")


@way("data/series.py Series._checked")
def _(p):
    native(p)
    item = load(p.set)[1]
    write_episode(p.set, 1, next(truth(1))[:4], robot="arm", rate_hz=20.0)
    yield lambda: item.read("qpos"), "then load the set again"
    assert len(load(p.set)[1].read("qpos")) == 4


@way("data/series.py Series._checked#2")
def _(p):
    from ate.data.series import Series

    makers.npz(p.set)
    item = load(p.set)[1]
    texts = Series((9, 1), "here", lambda start, stop: np.full((stop - start, 1), "a"))
    odd = replace(item, series={"qpos": texts})
    name = yield lambda: odd.read("qpos"), r"exclude (\S+)"
    p.without(name)


@way("data/series.py Series._not_finite")
def _(p):
    for number in range(2):
        qpos = next(truth(number))
        qpos[2, 0] = np.nan if number else qpos[2, 0]
        write_episode(p.set, number, qpos)
    name = yield lambda: read(p.set), r"exclude (\S+)"
    p.without(name)
    yield lambda: read(p.set), "repair the recording"
    write_episode(p.set, 1, next(truth(1)))
    read(p.set)


@way("data/space.py check_joints")
def _(p):
    space = spaces([few(PANDA)])[0]
    yield lambda: check_joints(few(UR5E), space), "pass episodes of the robot and series that the statistics belong to"
    check_joints(few(PANDA), space)


def _stats(p, tree, name="stats.json"):
    (p.path / name).write_text(json.dumps(tree))
    return p.path / name


GOOD = {"observation.state": {"mean": [0.0, 0.0, 0.0], "std": [1.0, 1.0, 1.0]}}


@way("data/statistics.py Statistics.read", "data/statistics.py Statistics.read#2")
def _(p):
    if p.site.endswith("#2"):
        yield lambda: Statistics.read(_stats(p, {"model": {}}, "config.json")), "not its configuration"
    else:
        (p.path / "broken.json").write_text("{")
        name = yield lambda: Statistics.read(p.path / "broken.json"), r"lerobot's (\S+\.json)"
        assert name == "stats.json"
    assert Statistics.read(_stats(p, GOOD)).series


@way("data/statistics.py _located")
def _(p):
    (p.path / "empty").mkdir()
    yield lambda: Statistics.read(p.path / "empty"), "give the file itself"
    assert Statistics.read(_stats(p, GOOD))


@way("data/statistics.py _columns")
def _(p):
    odd = {"observation.state": {"mean": [0.0], "std": [1.0, 1.0]}}
    yield lambda: Statistics.read(_stats(p, odd)), "compute the statistics again"
    assert Statistics.read(_stats(p, GOOD))


def _statistics_of(p, columns, series="observation.state"):
    tree = {series: {"min": [-1.0] * columns, "max": [1.0] * columns, "mean": [0.0] * columns, "std": [1.0] * columns}}
    return Statistics.read(_stats(p, tree))


@way("diagnose/checkpoint_statistics.py check_statistics")
def _(p):
    for number in range(2):
        write_episode(p.set, number, next(truth(number)), robot="arm", rate_hz=20.0, joint_names=list(NAMES))
    alone = _statistics_of(p, 3, "action")
    yield lambda: check_statistics(alone, load(p.set), 4), "record the series that the policy is trained on"
    check_statistics(alone, load(native(p, joint_names=list(NAMES))), 4)


@way("diagnose/checkpoint_statistics.py _ours")
def _(p):
    episodes = load(native(p, joint_names=list(NAMES)))
    option = yield (
        lambda: check_statistics(_statistics_of(p, 2), episodes, 4),
        r"name the columns that they are of: (--\w+)",
    )
    p.ate("doctor", p.set, "--statistics", p.path / "stats.json", option, "shoulder,elbow")


@way("diagnose/checks.py _require_columns")
def _(p):
    from ate.diagnose.checks import _require_columns

    space = spaces([few(PANDA)])[0]
    yield lambda: _require_columns(few(UR5E), space), "give recordings of the robot that the policy was trained on"
    _require_columns(few(PANDA), space)
