"""Ways out of sets and their use."""

import shutil
from functools import cache

import huggingface_hub
import numpy as np

from ate.cli.doctor import doctor
from ate.data import DataSet, chunk, concat, excludes, load, spaces
from ate.data.doctor import examine
from ate.data.doctor.dataset_report import reports_on, usable
from ate.data.hub import located
from ate.experiments.settings import SHIPPED
from tests.conftest import write_episode
from tests.data.formats import makers
from tests.data.formats.truth import LENGTHS, NAMES, truth
from tests.ways.taking import read, way

PANDA = SHIPPED / "lift" / "pretrain" / "panda"
UR5E = SHIPPED / "lift" / "adapt" / "ur5e"


def native(p, **more):
    """A native set of two episodes of three joints, with attributes and series of yours."""
    for number in range(2):
        qpos, action = truth(number)
        write_episode(p.set, number, qpos, action=action, **{"robot": "arm", "rate_hz": 20.0, **more})
    return p.set


@cache
def few(path, count=2, robot=""):
    """The first episodes of a set, which is surveyed once."""
    return load(path, robot=robot).select(range(count))


@way("data/chunks.py chunk", "data/chunks.py chunk#2")
def _(p):
    episodes = load(native(p))
    if p.site.endswith("#2"):
        length = yield lambda: chunk(episodes, 40), r"a chunk length of at most (\d+)"
        assert len(chunk(episodes, int(length)))
    else:
        yield lambda: chunk(episodes, 0), "give a positive length"
        assert len(chunk(episodes, 1))


@way("data/chunks.py concat")
def _(p):
    sets = [few(PANDA), few(UR5E)]
    wide = [chunk(s, 8) for s in sets]
    name = yield lambda: concat(wide), r"with (ate\.data\.spaces)"
    assert name == "ate.data.spaces"
    mapped = [chunk(s, 8, space=space) for s, space in zip(sets, spaces(sets), strict=True)]
    assert concat(mapped)


@way("data/columns.py pick")
def _(p):
    native(p)
    key = yield lambda: load(p.set, joints=("shoulder",)), r"write (\w+) into the file"
    native(p, **{key: list(NAMES)})
    read(p.set, joints=("shoulder",))


@way("data/columns.py matching")
def _(p):
    native(p, joint_names=list(NAMES))
    name = yield lambda: load(p.set, joints=("sholder",)), r"did you mean '(\w+)'"
    read(p.set, joints=(name,))


@way("data/columns.py matching#2")
def _(p):
    native(p, joint_names=list(NAMES))
    yield lambda: load(p.set, joints=("left_*",)), "change the pattern"
    read(p.set, joints=("sho*",))


@way("data/convert.py convert")
def _(p):
    native(p)
    (p.path / "file").write_text("x")
    yield lambda: p.ate("convert", p.set, p.path / "file" / "out"), "name another folder"
    p.ate("convert", p.set, p.path / "out")


@way("data/convert.py _check_target", "data/convert.py _check_target#2")
def _(p):
    native(p)
    (p.path / "full").mkdir()
    (p.path / "full/x").write_text("x")
    target = p.path / "full" if p.site.endswith("#2") else p.set / "out"
    yield lambda: p.ate("convert", p.set, target), "name another folder"
    p.ate("convert", p.set, p.path / "out")


@way("data/convert.py _in_si")
def _(p):
    native(p, joint_names=["a", "b", "c"])
    yield lambda: p.ate("convert", p.set, p.path / "out", "--robot", "panda"), "convert without one"
    p.ate("convert", p.set, p.path / "out")


@way("data/doctor/dataset_report.py usable")
def _(p):
    native(p)
    both = ("episode_0000", "episode_0001")
    reports = reports_on(DataSet(str(p.set), exclude=both), 4)
    yield lambda: usable(reports), "shorten the exclude list"
    assert usable(reports_on(DataSet(str(p.set), exclude=both[:1]), 4))


@way("data/doctor/examination.py _examine")
def _(p):
    native(p)
    yield lambda: examine(p.set, horizon=0), "give a chunk length in steps"
    examine(p.set, horizon=4)


@way("data/doctor/examination.py _read")
def _(p):
    for robot in ("panda", "sawyer"):
        makers.native(p.set / robot)
    yield lambda: examine(p.set), "name one of its sub-folders"
    examine(p.set / "panda")


@way("data/doctor/examination.py _others")
def _(p):
    native(p)
    other = makers.native(p.path / "other")
    for file in other.iterdir():
        file.write_bytes(b"no recording")
    command = yield lambda: examine(p.set, against=other), r"run (ate doctor) on it first"
    p.ate(command.split()[1], other)


@way("data/doctor/gate.py admit")
def _(p):
    from ate.data.doctor.gate import admit, failures

    for number in range(2):
        write_episode(
            p.set, number, 90 * np.sin(np.linspace(0, 3, 30))[:, None] * np.ones(3), robot="arm", rate_hz=20.0
        )
    findings = failures([DataSet(str(p.set))], [DataSet(str(p.set))], 4)
    pattern = r"(ate doctor \S+) shows .*accept=(\S+) \(--accept (\S+)\)"
    doctor, codes, same = yield lambda: admit(findings, ()), pattern
    p.ate(*doctor.split()[1:])
    assert codes == same and len(admit(findings, tuple(codes.split(",")))) == len(findings)


@way("data/episodes.py Episode.read")
def _(p):
    item = load(native(p))[0]
    yield lambda: item.read("state"), "record it"
    native(p, state=np.zeros((LENGTHS[0], 2), "f4"))
    load(p.set)[0].read("state")


@way("data/episodes.py Episodes.split")
def _(p):
    episodes = load(native(p))
    yield lambda: episodes.select([0]).split(0.5, 0), "record more episodes"
    episodes.split(0.5, 0)


@way("data/excludes.py read")
def _(p):
    native(p)
    listed = p.path / "bad.txt"
    option = yield lambda: excludes.read(listed), r"write it with ate doctor (--exclude-out), or give names"
    for number in range(2):
        qpos, _ = truth(number)
        qpos[3, 0] = np.nan if number else qpos[3, 0]
        write_episode(p.set, number, qpos, robot="arm", rate_hz=20.0)
    p.ate("doctor", p.set, option, listed)
    assert list(excludes.read(listed)) == ["episode_0001"]
    assert excludes.names("episode_0001") == ("episode_0001",)


@way("data/excludes.py write")
def _(p):
    (p.path / "notes.txt").write_text("mine\n")
    yield lambda: excludes.write(p.path / "notes.txt", {"a": "x"}), "name another file"
    excludes.write(p.path / "other.txt", {"a": "x"})


@way("data/excludes.py _no_list")
def _(p):
    listed = p.path / "bad.txt"
    listed.write_text("")
    yield lambda: excludes.read(listed), "write the name of one episode a line"
    listed.write_text("episode_0001\n")
    assert excludes.read(listed)


@way("data/hub.py located")
def _(p):
    p.patch.setenv("HF_HOME", str(p.path / "hf"))
    fetched = []
    p.patch.setattr(huggingface_hub, "snapshot_download", lambda name, **more: fetched.append((name, more)) or "x")
    name, value, option, command, kind = yield (
        lambda: located("user/arm"),
        r"(\w+)=(\w+) \(ate doctor: (--\w+)\), or with: hf (download \S+) (--repo-type \w+)",
    )
    assert located("user/arm", **{name: value == "true"}) == "x"
    assert any(option in known.opts for known in doctor.params)
    from huggingface_hub.cli import hf

    assert command == "download user/arm" and kind == "--repo-type dataset" and hf


@way("data/hub.py _fetched")
def _(p):
    p.patch.setenv("HF_HOME", str(p.path / "hf"))

    def refuse(*_, **__):
        raise OSError("no such repository")

    p.patch.setattr(huggingface_hub, "snapshot_download", refuse)
    yield lambda: located("user/arm", download=True), "https://huggingface.co/datasets/user/arm is there"
    p.patch.setattr(huggingface_hub, "snapshot_download", lambda *_, **__: "x")
    assert located("user/arm", download=True) == "x"


@way("data/loading.py DataSet.load")
def _(p):
    native(p)
    both = ["episode_0000", "episode_0001"]
    yield lambda: load(p.set, exclude=both), "shorten the exclude list"
    load(p.set, exclude=both[:1])


@way("data/survey.py _survey")
def _(p):
    native(p)
    name = yield lambda: load(p.set, source="actoin"), r"did you mean '(\w+)'"
    load(p.set, source=name)


@way("data/survey.py _ordered.as_first")
def _(p):
    for number in range(3):
        names = list(NAMES) if number < 2 else ["shoulder_b", *NAMES[1:]]
        write_episode(p.set, number, next(truth(number % 2)), joint_names=names)
    name = yield lambda: load(p.set, joints=("shoulder*",)), r"exclude (\S+),"
    load(p.set, joints=("shoulder*",), exclude=[name])
    yield lambda: load(p.set, joints=("shoulder*",)), "or move it to a set of its own"
    (p.path / "own").mkdir()
    shutil.move(p.set / "episode_0002.hdf5", p.path / "own")
    load(p.set, joints=("shoulder*",))
    load(p.path / "own", joints=("shoulder*",))


@way("data/survey.py check_exclude")
def _(p):
    native(p)
    name = yield lambda: load(p.set, exclude=["episode_001"]), r"did you mean '(\w+)'"
    load(p.set, exclude=[name])


@way("data/survey.py _odd_width")
def _(p):
    for number in range(3):
        write_episode(p.set, number, next(truth(number % 2, 3 if number < 2 else 2)))
    name = yield lambda: load(p.set), r"exclude (\S+),"
    p.without(name)


@way("data/survey.py _joint_names")
def _(p):
    for number in range(2):
        write_episode(p.set, number, np.random.default_rng(0).normal(size=(9, 8)))
    yield lambda: load(p.set, robot="ur5e"), "name the profile of the robot that was recorded"
    load(p.set, robot="panda")
