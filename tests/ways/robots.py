"""Ways out of robots: profiles, models, slots, masks, poses and calibration."""

import json
from dataclasses import replace

import numpy as np

from ate.data import load
from ate.robots import available, embodiment, profile, screw_fit, slot_mask, slot_name, unify
from ate.robots.calibration import ranges
from ate.robots.embodiment import Embodiment
from ate.robots.frames import Placement
from ate.robots.identify import identify
from ate.robots.kinematics import Kinematics
from ate.robots.slot_masks import check_slot_mask
from tests.robots.arms import exported, joint, urdf
from tests.robots.test_model_file import MJCF
from tests.robots.test_slots import recording
from tests.ways.sets import UR5E
from tests.ways.taking import way

TWO = (joint("one", "base", "a", limit=(-1.0, 1.0, 1.0)), joint("two", "a", "b", limit=(-1.0, 1.0, 1.0)))


def model(p, text, name="arm.urdf"):
    """The file of a robot with this text."""
    (p.path / name).write_text(text)
    return p.path / name


@way("robots/calibration.py ranges", "robots/calibration.py ranges#2")
def _(p):
    file = p.path / "arm.json"
    odd = {"id": 1, "range_min": 9, "range_max": 9} if not p.site.endswith("#2") else None
    file.write_text(json.dumps({"shoulder": odd} if odd else {}))
    pattern = "lerobot-calibrate" if odd else r"give the \.json in ~/\.cache/huggingface/lerobot/calibration/robots"
    yield lambda: ranges(file), pattern
    file.write_text(json.dumps({"shoulder": {"id": 1, "range_min": 9, "range_max": 4000}}))
    assert ranges(file)


@way("robots/embodiment.py Embodiment.__post_init__", "robots/embodiment.py Embodiment.__post_init__#2")
def _(p):
    if p.site.endswith("#2"):
        yield lambda: Embodiment("arm", ("a", "b"), (0, 7), 3), "widen the unified vector"
        Embodiment("arm", ("a", "b"), (0, 7), 8)
    else:
        yield lambda: Embodiment("arm", ("a", "b"), (0, 0), 3), "as many different slots as there are joints"
        Embodiment("arm", ("a", "b"), (0, 1), 3)


@way("robots/embodiment.py Embodiment._check")
def _(p):
    body = Embodiment("arm", ("a", "b"), (0, 1), 3)
    yield lambda: body.scatter(np.zeros((4, 3))), "check that the data belong to this robot"
    body.scatter(np.zeros((4, 2)))


@way("robots/frames.py _pose")
def _(p):
    yield lambda: Placement.of("ur5e", base=np.zeros((4, 4))), "a rotation matrix and a translation in metres"
    Placement.of("ur5e", base=np.eye(4))


def _recorded():
    """Joints of three demonstrations, and where they put the tool."""
    q = np.concatenate([load(UR5E).select(range(3)).series(i)[:, :-1].astype(float) for i in range(3)])
    return q, *Kinematics.of("ur5e").forward(q)


@way("robots/identify.py _checked", "robots/identify.py _checked#2", "robots/identify.py _checked#3",
     "robots/identify.py _checked#4")  # fmt: skip
def _(p):
    q, position, rotation = _recorded()
    if p.site.endswith("_checked"):
        yield lambda: identify(q, position[:5], rotation), "one row a recorded moment"
    elif p.site.endswith("#2"):
        yield lambda: identify(q[:5], position[:5], rotation[:5]), "record more demonstrations"
    elif p.site.endswith("#3"):
        odd = np.array(position)
        odd[3] = np.nan
        yield lambda: identify(q, odd, rotation), "leave those rows out"
        kept = np.isfinite(odd).all(1)
        q, position, rotation = q[kept], odd[kept], rotation[kept]
    else:
        spoiled = np.array(rotation)
        spoiled[:, 0] *= 2
        yield lambda: identify(q, position, spoiled), "ee_pose is x y z, then w x y z"
    assert identify(q, position, rotation).error < 1e-3


@way("robots/identify.py _refused")
def _(p):
    q, position, rotation = _recorded()
    shuffled = np.random.default_rng(0).permutation(len(q))
    # No kinematics fit rows of different moments, from however many random axes the fit starts.
    p.patch.setattr(screw_fit, "AXES", 1)
    yield lambda: identify(q, position[shuffled], rotation[shuffled]), "belong to the same moment"
    assert identify(q, position, rotation).error < 1e-3


@way("robots/kinematics.py Kinematics.of")
def _(p):
    yield lambda: Kinematics.of("ur5e", "tool0"), "leave the tool out"
    Kinematics.of("ur5e")
    Kinematics.of(model(p, exported("ur5e")), "tool0")


@way("robots/kinematics.py Kinematics.renamed", "robots/kinematics.py Kinematics._arm")
def _(p):
    arm = Kinematics.of("ur5e")
    if p.site.endswith("renamed"):
        yield lambda: arm.renamed("x", ("a",)), "name every joint that moves the tool"
        assert arm.renamed("x", tuple("abcdef")).joint_names == tuple("abcdef")
    else:
        names = yield lambda: arm.forward(np.zeros(3)), r"pass (.*)$"
        arm.forward(np.zeros(len(names.split(", "))))


@way("robots/kinematics.py _of_profile")
def _(p):
    text = 'title = "x"\nsource = "a test"\njoints = [{ name = "one" }, { name = "two" }]\n'
    file = p.path / "mine.toml"
    file.write_text(text)
    line = yield lambda: Kinematics.of(file), r'add (model = "arm\.urdf")'
    model(p, urdf(*TWO))
    file.write_text(f"{line}\n{text}")
    assert Kinematics.of(file).joint_names == ("one", "two")
    assert Kinematics.of(p.path / "arm.urdf")


@way("robots/model_file.py _identified", "robots/model_file.py _identified#2")
def _(p):
    kinematics = identify(*_recorded()).kinematics
    file = p.path / "robot.json"
    file.write_text(json.dumps({"kinematics": kinematics.to_tree()}))
    if p.site.endswith("#2"):
        yield lambda: Kinematics.of(file, "tool0"), "leave the tool out"
    else:
        whole = file.read_text()
        file.write_text(whole[:50])
        # tests.ways.tools has the command itself, at `placement`.
        yield lambda: Kinematics.of(file), "run ate identify again"
        file.write_text(whole)
    Kinematics.of(file)


@way("robots/model_file.py _chosen")
def _(p):
    file = model(p, urdf(joint("plate", "base", "a", "fixed")))
    yield lambda: Kinematics.of(file), "give the file of the whole robot"
    Kinematics.of(model(p, urdf(*TWO)))


@way("robots/model_file.py _joints", "robots/model_file.py _joints#2")
def _(p):
    if p.site.endswith("#2"):
        file = model(p, urdf(*TWO))
        yield lambda: Kinematics.of(file, "base"), "name the tool's link"
        Kinematics.of(file, "b")
        return
    inner = "<body name='c'><joint/><geom size='.1'/></body>"
    free = f"<mujoco><worldbody><body name='b'>{{}}{inner}</body></worldbody></mujoco>"
    file = model(p, free.format("<freejoint/><geom size='.1'/>"), "arm.xml")
    yield lambda: Kinematics.of(file), "fix the robot's base in the file"
    Kinematics.of(model(p, free.format(""), "arm.xml"))


@way("robots/model_file.py _refuse_lost")
def _(p):
    follows = joint("three", "b", "c", limit=(-1.0, 1.0, 1.0), mimic='<mimic joint="tow" multiplier="1"/>')
    element = yield lambda: Kinematics.of(model(p, urdf(*TWO, follows))), r"correct the name in the element <(\w+)>"
    Kinematics.of(model(p, urdf(*TWO, follows.replace(f'<{element} joint="tow"', f'<{element} joint="two"'))))


@way("robots/model_file.py _led")
def _(p):
    follows = '<equality><joint joint1="j2" joint2="j1" polycoef="{}"/></equality></mujoco>'
    text = MJCF.replace("</mujoco>", follows)
    yield lambda: Kinematics.of(model(p, text.format("0 1 1 0 0"), "arm.xml"), "lower"), "as a straight line"
    Kinematics.of(model(p, text.format("0 1 0 0 0"), "arm.xml"), "lower")


@way("robots/model_text.py compiled", "robots/model_text.py compiled#2", "robots/model_text.py compiled#3",
     "robots/model_text.py _text")  # fmt: skip
def _(p):
    good = urdf(*TWO)
    if p.site.endswith("#2"):
        name = "arm.urdf.xacro"
        text = good.replace("<robot", '<robot xmlns:xacro="http://www.ros.org/wiki/xacro"')
        command = yield lambda: Kinematics.of(model(p, text, name)), r"run `(xacro \S+ > \S+)`"
        assert command == f"xacro {name} > robot.urdf"
        Kinematics.of(model(p, good, command.split()[-1]))
        return
    if p.site.endswith("#3"):
        yield lambda: Kinematics.of(model(p, "<sdf/>")), "starts with <robot> or <mujoco>"
    elif p.site.endswith("_text"):
        yield lambda: Kinematics.of(p.path / "arm.urdf"), "check the path"
    else:
        typed = good.replace("<robot", "<!DOCTYPE robot><robot")
        yield lambda: Kinematics.of(model(p, typed)), "remove them from the file"
        good = typed.replace("<!DOCTYPE robot>", "")
    Kinematics.of(model(p, good))


@way("robots/profile.py Profile.to_si")
def _(p):
    known = profile("ur5e")
    yield lambda: known.to_si(np.zeros((4, 3))), "the profile that belongs to the recording"
    known.to_si(np.zeros((4, len(known.required))))


@way("robots/slot_masks.py slot_mask")
def _(p):
    (body,) = unify([recording("panda", 7)])
    layout = yield lambda: slot_mask(body), r"layout '(\w+)'"
    slot_mask(unify([recording("panda", 7)], layout=layout)[0])


@way("robots/slot_masks.py _not_a_mask")
def _(p):
    text = yield lambda: check_slot_mask([0.5]), r"e\.g\. (\[.*\])"
    check_slot_mask(json.loads(text))


@way("robots/slots.py slot_name")
def _(p):
    first = yield lambda: slot_name(-1), r"slots count from (\d)"
    slot_name(int(first))


@way("robots/slots.py embodiment")
def _(p):
    yield lambda: embodiment("panda"), "give names, or a profile from ate.robots.profile"
    embodiment("panda", ("panda_joint1", "gripper"))
    embodiment(profile("panda"))


@way("robots/slots.py unify", "robots/slots.py unify#2")
def _(p):
    sets = [recording("panda", 7), recording("xarm6", 6)]
    if p.site.endswith("#2"):
        layout = yield lambda: unify(sets, width=20, layout="rdt"), r"leave width out, or choose layout '(\w+)'"
        unify(sets, layout="rdt")
        unify(sets, width=20, layout=layout)
    else:
        yield lambda: unify(sets, profiles=[profile("panda")]), "give None for a set without one"
        unify(sets, profiles=[profile("panda"), None])


@way("robots/slots.py _rdt")
def _(p):
    odd = recording("snake", 12, gripper=False)
    layout = yield lambda: unify([odd], layout="rdt"), r"leave these columns out, or choose layout '(\w+)'"
    unify([odd], layout=layout)
    unify([recording("snake", 10, gripper=False)], layout="rdt")
    parts = [f'{{ name = "{name}", arm = "{"right" if i < 6 else "left"}" }}' for i, name in enumerate(odd.joint_names)]
    file = p.path / "snake.toml"
    file.write_text(f'title = "x"\nsource = "a test"\njoints = [{", ".join(parts)}]\n')
    yield lambda: unify([odd], layout="rdt"), "name the arm and part of each column in a profile"
    unify([odd], layout="rdt", profiles=[profile(file)])


@way("robots/slots.py _compact")
def _(p):
    yield lambda: unify([recording("panda", 7)], width=4), "a vector that is wide enough"
    unify([recording("panda", 7)], width=8)


@way("robots/slots.py _check_layout")
def _(p):
    name = yield lambda: unify([recording("panda", 7)], layout="compcat"), r"did you mean '(\w+)'"
    unify([recording("panda", 7)], layout=name)


@way("robots/toml.py _tree", "robots/toml.py _tree#2")
def _(p):
    file = p.path / "arm.toml"
    if p.site.endswith("#2"):
        file.write_text("joints = [")
        yield lambda: profile(file), "copy a built-in profile and edit it"
        file.write_text(available()["ur5e"].read_text())
        profile(file)
    else:
        yield lambda: profile(file), "the path of a profile in TOML, or the name of one"
        profile("ur5e")


@way("robots/chain.py home")
def _(p):
    from ate.robots import chain

    arm = chain.robot("ur5e")
    p.patch.setattr(chain, "robot", lambda name: replace(arm, seed=arm.seed + 9.0))
    p.patch.setattr(chain, "toward", lambda arm, seed, *_, **__: seed)
    chain.home.cache_clear()
    yield lambda: chain.home("ur5e"), "give the robot table a seed posture nearer to it"
    p.patch.undo()
    chain.home.cache_clear()
    chain.home("ur5e")
