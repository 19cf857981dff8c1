"""Ways out of fine-tuning and retargeting."""

from dataclasses import replace

import numpy as np

from ate.data import load
from ate.policies import build
from ate.steer import Bounds, Guidance, OptimConfig, Replay, retarget
from ate.steer.finetuning import finetune_methods
from ate.steer.trainer import GuidedPolicy
from ate.steer.training import train_methods
from tests.ways.guidance import _goals
from tests.ways.taking import way
from tests.ways.worlds import world


@way("steer/finetuning.py finetune_methods", "steer/training.py _replay", "steer/training.py _check_stacked",
     "steer/training.py _check_stacked#2", "steer/replay.py Replay.__post_init__",
     "steer/replay.py Replay.__post_init__#2", "steer/replay.py Replay.check")  # fmt: skip
def _(p):
    w = world()
    optim, space = OptimConfig.of({"steps": 1, "batch": 4}), w.alignment.space
    made, goals = _goals()
    plain = GuidedPolicy(w.policy.moved_to(space))
    replayed = GuidedPolicy(w.policy.moved_to(space), replay=Replay.of(made, space))
    if p.site.startswith("steer/finetuning"):
        flow = GuidedPolicy(build([w.old], 8, seed=0, width=space.width, hidden=16, parameterization="flow_noise_at_1"))
        yield lambda: finetune_methods({"a": plain, "b": flow}, w.new, optim), "in two calls"
        for method in (plain, flow):
            finetune_methods({"a": method}, w.new, optim)
    elif p.site.endswith("training.py _replay"):
        name = yield (
            lambda: train_methods({"a": plain, "b": replayed}, [w.new], [space], optim),
            r"train them by (\w+),",
        )
        assert name == "finetune_methods"
        finetune_methods({"a": plain, "b": replayed}, w.new, optim, space=space)
    elif p.site.endswith("_check_stacked"):
        other = GuidedPolicy(build([w.old], 8, seed=0, width=space.width, hidden=8))
        both = {"a": plain, "b": other}
        name = yield lambda: finetune_methods(both, w.new, optim, stacked=True), r"leave (\w+) out"
        assert name == "stacked"
        finetune_methods(both, w.new, optim)
    elif p.site.endswith("_check_stacked#2"):
        guided = Guidance.of(w.motion, "tool-motion", goals=goals)
        pulled = replace(replayed, guidance=guided)
        name = yield (
            lambda: finetune_methods({"a": pulled}, w.new, optim, space=space, stacked=True),
            r"leave (\w+) out",
        )
        assert name == "stacked"
        finetune_methods({"a": pulled}, w.new, optim, space=space)
    elif p.site.endswith("Replay.check"):
        wide = build([w.old], 8, seed=0, width=space.width + 5, hidden=16)
        yield lambda: Replay.of(made, space).check(wide), "take spaces of the policy's own width"
        Replay.of(made, space).check(w.policy)
    elif p.site.endswith("#2"):
        share = yield lambda: Replay.of(made, space, 0.0), r"use (0\.5), or fine-tune without replay"
        Replay.of(made, space, float(share))
    else:
        yield lambda: Replay((made,), ()), "pass ActionSpaces in the order of the sets"
        Replay((made,), (space,))


@way("steer/retargeting.py retarget")
def _(p):
    w = world()
    old, names = w.old.select([0]), w.new.joint_names
    far = np.array([5.0, 0, 0, 0, 0, 0])
    words = ["retarget", w.folder / "panda", "--robot", "ur5e"]
    away = ["--base", " ".join(map(str, far))]
    base, base_pretrain = yield (
        lambda: p.ate(*words, *away, "--out", p.path / "a"),
        r"\((--base) and (--base-pretrain), or",
    )
    p.ate(*words, base, "0 0 0 0 0 0", base_pretrain, "0 0 0 0 0 0", "--out", p.path / "b")
    from ate.robots.frames import Placement, origin

    moved = Placement.of("ur5e", base=origin(far))
    yield lambda: retarget(old, moved, joint_names=names), "or widen the bounds"
    retarget(old, moved, joint_names=names, bounds=Bounds(position=1e3, rotation=1e3, jump=1e3))


@way("steer/retargeting.py _check", "steer/retargeting.py _check#2", "steer/retargeting.py _check#3",
     "steer/retargeting.py _Moves._rows")  # fmt: skip
def _(p):
    w = world()
    old, names = w.old.select([0]), w.new.joint_names
    if p.site.endswith("_check"):
        yield lambda: retarget(old, "ur5e", joint_names=("a", "b")), "name the columns as the robot's kinematics do"
    elif p.site.endswith("_check#2"):
        bare = replace(old, joint_names=(*old.joint_names[:-1], "claw"))
        yield lambda: retarget(bare, "ur5e", joint_names=names), "or leave it out of joint_names"
        retarget(bare, "ur5e", joint_names=names[:-1])
    elif p.site.endswith("_check#3"):
        slow = replace(old, robot="panda", rate_hz=10.0)
        pair = [old, slow]
        command = yield (
            lambda: retarget(pair, "ur5e", joint_names=names),
            r"retarget each rate on its own, .*: ate (convert --rate)",
        )
        for one in pair:
            retarget(one, "ur5e", joint_names=names)
        p.ate(command.split()[0], w.folder / "panda", p.path / "out", command.split()[1], 10)
        retarget([slow, load(p.path / "out").select([0])], "ur5e", joint_names=names)
    else:
        odd = replace(old, joint_names=("a", *old.joint_names[1:]))
        yield lambda: retarget(odd, "ur5e", joint_names=names), "in the file or by a profile"
    retarget(old, "ur5e", joint_names=names)
