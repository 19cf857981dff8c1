"""Ways out of sets, statistics and their use."""

import json
import shutil
from dataclasses import replace

import huggingface_hub
import numpy as np

from ate.data import DataSet, Normalizer, chunk, concat, excludes, load, spaces
from ate.data.doctor import examine
from ate.data.doctor.dataset_report import reports_on, usable
from ate.data.hub import located
from ate.data.opening import with_opening
from ate.data.passport import Passport
from ate.data.placements import placement
from ate.data.rate import at_rate
from ate.data.space import check_joints
from ate.data.statistics import Statistics
from ate.data.tool_poses import arm_joints, recorded_poses
from ate.data.tool_space import tool_spaces
from ate.diagnose.checkpoint_statistics import check_statistics
from ate.experiments.settings import SHIPPED
from ate.robots.frames import Placement
from ate.robots.kinematics import Kinematics
from tests.conftest import write_episode
from tests.data.formats import makers
from tests.data.formats.truth import LENGTHS, NAMES, truth
from tests.robots.arms import exported
from tests.ways.taking import read, way

PANDA = SHIPPED / "lift" / "pretrain" / "panda"
UR5E = SHIPPED / "lift" / "adapt" / "ur5e"


def native(p, **more):
    for number in range(2):
        qpos, action = truth(number)
        write_episode(p.set, number, qpos, action=action, **{"robot": "arm", "rate_hz": 20.0, **more})
    return p.set


def few(path, count=2, **named):
    return load(path, **named).select(range(count))


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
    found = failures([DataSet(str(p.set))], [DataSet(str(p.set))], 4)
    pattern = r"(ate doctor \S+) shows .*accept=(\S+) \(--accept (\S+)\)"
    doctor, codes, same = yield lambda: admit(found, ()), pattern
    p.ate(*doctor.split()[1:])
    assert codes == same and len(admit(found, tuple(codes.split(",")))) == len(found)


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
    name, value, command, kind = yield (
        lambda: located("user/arm"),
        r"(\w+)=(\w+), or with: hf (download \S+) (--repo-type \w+)",
    )
    assert located("user/arm", **{name: value == "true"}) == "x"
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


@way("data/normalize.py Normalizer.__post_init__")
def _(p):
    from ate.data.normalize import fit

    yield lambda: Normalizer(np.ones(3), np.zeros(3)), "fit the normaliser on episodes"
    fit(load(native(p)))


@way("data/opening.py with_opening")
def _(p):
    names = [f"robot0_joint{i}" for i in range(1, 8)] + ["gripper0_finger_joint1", "gripper0_finger_joint2"]
    for number in range(2):
        write_episode(p.set, number, np.random.default_rng(0).uniform(0, 0.04, (9, 9)), robot="mine", joint_names=names)
    option = yield lambda: with_opening(load(p.set)), r"name a profile that declares them \((\w+)=\)"
    with_opening(load(p.set, **{option: "panda"}))
    sides = [f"{side}_{name}" for side in ("left", "right") for name in ("hand", "finger_joint1", "finger_joint2")]
    two = p.path / "two.toml"
    two.write_text(
        'title = "two"\nsource = "a test"\n' + "".join(
            f'[[joints]]\nname = "{name}"\narm = "{name.split("_")[0]}"\n'
            + ('part = "gripper"\nunit = "m"\nclosed = 0.0\nopen = 0.04\n' if "finger" in name else "")
            for name in sides
        )
    )  # fmt: skip
    for number in range(2):
        write_episode(p.path / "both", number, np.random.default_rng(0).uniform(0, 0.04, (9, 6)), joint_names=sides)
    option = yield lambda: with_opening(load(p.path / "both", robot=str(two))), r"take one arm \((\w+)=\)"
    with_opening(load(p.path / "both", robot=str(two), **{option: ("left_*",)}))


@way("data/passport.py Passport._mismatch")
def _(p):
    space = spaces([few(PANDA)])[0]
    one, other = Passport.of(space, 8), Passport.of(space, 16)
    yield lambda: one.check(other, "here"), "chunk length and data that belong together"
    one.check(Passport.of(space, 8), "here")


@way("data/placements.py placement")
def _(p):
    episodes = load(native(p))
    (p.path / "arm.urdf").write_text(exported("ur5e"))
    file, command = yield lambda: placement(episodes), r"robot=(\S+), or identify it from tool poses: ate (\w+)"
    assert file == "arm.urdf"
    assert placement(few(UR5E, robot=str(p.path / file)))
    posed(p)
    p.ate(command, p.path / "posed", "--out", p.path / "robot.json")
    assert placement(load(p.path / "posed", robot=str(p.path / "robot.json")))


def posed(p):
    """The folder of demonstrations of a robot without a profile, with poses of the tool."""
    kinematics = Kinematics.of("ur5e")
    from scipy.spatial.transform import Rotation

    for number, item in enumerate(few(UR5E, 6)):
        position, matrix = kinematics.forward(item.qpos[:, :-1].astype(float))
        quaternion = Rotation.from_matrix(matrix).as_quat()[:, [3, 0, 1, 2]]
        names = [f"axis_{i}" for i in range(kinematics.joints)] + ["gripper"]
        pose = np.hstack([position, quaternion]).astype("f8")
        write_episode(
            p.path / "posed", number, item.qpos, robot="unknown_arm", rate_hz=20.0, joint_names=names, ee_pose=pose
        )
    return p.path / "posed"


@way("data/placements.py placement#2")
def _(p):
    known = few(UR5E)
    for number, item in enumerate(known):
        qpos = np.array(item.qpos)
        qpos[:, :-1] = np.rad2deg(qpos[:, :-1])
        write_episode(p.set, number, qpos, robot="mine", joint_names=list(known.joint_names), rate_hz=20.0)
    joints = "".join(f'[[joints]]\nname = "{n}"\nunit = "deg"\n' for n in known.joint_names[:-1])
    joints += '[[joints]]\nname = "gripper"\npart = "gripper"\n'
    (p.path / "arm.urdf").write_text(exported("ur5e"))
    profile = p.path / "mine.toml"
    profile.write_text(f'title = "x"\nsource = "a test"\nmodel = "arm.urdf"\n{joints}')
    unconverted = replace(load(p.set), profile=str(profile))
    option, parameter = yield lambda: placement(unconverted), r"(--robot) \((robot)=\)"
    assert placement(load(p.set, **{parameter: str(profile)}))
    p.ate("doctor", p.set, option, profile)


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


@way("data/series.py Series._checked")
def _(p):
    makers.npz(p.set)
    from ate.data.series import Series

    grown = Series((3, 2), "here", lambda start, stop: np.zeros((stop - start + 1, 2)))
    yield lambda: grown.read(0, 3), "then load the set again"
    load(p.set)[0].read("qpos")


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


@way("data/statistics.py _found")
def _(p):
    (p.path / "empty").mkdir()
    yield lambda: Statistics.read(p.path / "empty"), "give the file itself"
    assert Statistics.read(_stats(p, GOOD))


@way("data/statistics.py _columns")
def _(p):
    odd = {"observation.state": {"mean": [0.0], "std": [1.0, 1.0]}}
    yield lambda: Statistics.read(_stats(p, odd)), "compute the statistics again"
    assert Statistics.read(_stats(p, GOOD))


@way("data/survey.py survey")
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


@way("data/tool_poses.py arm_joints", "data/tool_space.py ToolSpace.__post_init__")
def _(p):
    kinematics = Kinematics.of("ur5e")
    for number, item in enumerate(few(UR5E)):
        names = [f"axis_{i}" for i in range(item.qpos.shape[1])]
        write_episode(p.path / "x", number, item.qpos, robot="x", rate_hz=20.0, joint_names=names)
    wrong = load(p.path / "x")
    if p.site.startswith("data/tool_poses"):
        yield lambda: arm_joints(wrong, 0, kinematics), "by aliases in a profile"
        alias = "".join(
            f'[[joints]]\nname = "{n}"\naliases = ["axis_{i}"]\n' for i, n in enumerate(kinematics.joint_names)
        )
        (p.path / "x.toml").write_text(f'title = "x"\nsource = "a test"\n{alias}')
        assert arm_joints(load(p.path / "x", robot=str(p.path / "x.toml")), 0, kinematics).shape[1] == 6
        return
    from ate.data.tool_space import ToolSpace

    good = tool_spaces([few(UR5E)], [Placement.of("ur5e")])[0]
    yield lambda: replace(good, columns=wrong.joint_names), "as the robot's kinematics do, in the file"
    assert isinstance(replace(good, columns=few(UR5E).joint_names), ToolSpace)


@way("data/tool_poses.py recorded_poses", "data/tool_poses.py recorded_poses#2", "data/tool_poses.py recorded_poses#3")
def _(p):
    posed(p)
    good = load(p.path / "posed")
    if p.site.endswith("#3"):
        item = good[0]
        pose = np.array(item.read("ee_pose"))
        for number in range(2):
            write_episode(p.set, number, item.qpos, ee_pose=pose[:, [3, 4, 5, 6, 0, 1, 2]])
        yield lambda: recorded_poses(load(p.set)), "record x y z, then w x y z"
        for number in range(2):
            write_episode(p.set, number, item.qpos, ee_pose=pose)
        recorded_poses(load(p.set))
    elif p.site.endswith("#2"):
        yield lambda: recorded_poses(load(native(p))), "record it"
        recorded_poses(good)
    else:
        for number in range(2):
            write_episode(p.set, number, good[0].qpos, action=good[0].qpos, ee_pose=np.array(good[0].read("ee_pose")))
        source = yield lambda: recorded_poses(load(p.set, source="action")), r"load the set with source (\w+)"
        recorded_poses(load(p.set, source=source))


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
