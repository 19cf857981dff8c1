"""Ways out of guidance and its options."""

from dataclasses import replace

import numpy as np
import torch

from ate.align.vae import InfoVAE
from ate.policies import build
from ate.steer import Evaluation, Goals, Guidance, GuidanceConfig, OptimConfig, retarget
from ate.steer.compatibility import check_goals, check_guidance
from tests.ways.taking import way
from tests.ways.worlds import VAE, world


@way("steer/compatibility.py check_guidance", "steer/compatibility.py check_guidance#2",
     "steer/compatibility.py check_guidance#3", "steer/compatibility.py check_guidance#4")  # fmt: skip
def _(p):
    w = world()
    guided, space = Guidance.of(w.alignment), w.alignment.space
    if p.site.endswith("#2"):
        other = replace(space, source="action")
        yield lambda: check_guidance(w.policy, None, other), "take the same series for both"
    elif p.site.endswith("#3"):
        deep = build([w.old], 16, seed=0, width=space.width, hidden=16)
        yield lambda: check_guidance(deep, guided, space), "align with the chunk length of the policy's horizon"
    elif p.site.endswith("#4"):
        other = Guidance(InfoVAE(replace(VAE, features=3)))
        yield lambda: check_guidance(w.policy, other, space), "align on episodes of the robot that the policy"
    else:
        wide = build([w.old], 8, seed=0, width=space.width + 5, hidden=16)
        yield lambda: check_guidance(wide, None, space), "over the same set of robots"
    check_guidance(w.policy, guided, space)


def _goals():
    w = world()
    made = retarget(w.old, "ur5e", joint_names=w.new.joint_names)
    return made, Goals.of(w.motion, [w.old], made)


@way("steer/compatibility.py check_goals")
def _(p):
    made, goals = _goals()
    guided = Guidance.of(world().motion, "tool-motion", goals=goals)
    name = yield lambda: check_goals(guided, 3), r"of the very episodes that are replayed: (Goals\.of)$"
    assert name == "Goals.of"
    check_goals(guided, sum(made.lengths))


@way("steer/goals.py Goals.of_others")
def _(p):
    made, goals = _goals()
    yield lambda: goals.of_others([sum(made.lengths)], 0), "retarget more episodes"
    goals.of_others(made.lengths, 0)


@way("steer/evaluation.py Evaluation.__post_init__", "steer/evaluation.py Evaluation.__post_init__#2")
def _(p):
    from tests.sim.test_gym_simulator import REACH

    w = world()
    if p.site.endswith("#2"):
        yield lambda: Evaluation(w.new, 1, 2), "evaluate without rollouts, or name a simulator"
        Evaluation(w.new, 1, 0)
        Evaluation(w.new, 1, 2, simulator=REACH)
    else:
        name = yield lambda: Evaluation(w.new, 0), r"raise (\w+)$"
        Evaluation(w.new, **{name: 1})


@way("steer/guidance.py Guidance.__init__", "steer/guidance.py Guidance.__init__#2",
     "steer/guidance.py Guidance.__init__#3", "steer/guidance.py Guidance.latents",
     "steer/guidance.py Guidance.gradient", "steer/guidance.py Guidance._goals")  # fmt: skip
def _(p):
    vae = InfoVAE(VAE)
    chunks, end = torch.zeros(2, 8, 5), p.site.split(".")[-1]
    goals = Goals(torch.zeros(7, 8), 8)
    if end == "__init__":
        yield lambda: Guidance(vae, slots=(0, 1)), "take the slots of the robot's embodiment"
        Guidance(vae, slots=(0, 1, 2, 3, 4))
    elif end == "__init__#2":
        yield lambda: Guidance(vae, mask=np.ones(3)), "make the mask from the robot's embodiment"
        Guidance(vae, mask=np.ones(5))
    elif end == "__init__#3":
        name = yield (
            lambda: Guidance(vae, "tool-motion"),
            r"pass (goals)=Goals\.of\(alignment, pretrain, retargeted\), or",
        )
        Guidance(vae, "tool-motion", **{name: goals})
        Guidance(vae, "paper")
    elif end == "latents":
        name = yield lambda: Guidance(vae, latent="sample").latents(chunks), r"pass (\w+)=$"
        Guidance(vae, latent="sample").latents(chunks, **{name: torch.zeros(2, 8)})
    elif end == "gradient":
        wide = torch.zeros(2, 8, 9)
        name = yield lambda: Guidance(vae).gradient(wide, wide), r"or pass (\w+)=$"
        Guidance(vae).gradient(chunks, chunks)
        Guidance(vae, **{name: (0, 1, 2, 3, 4)}).gradient(wide, wide)
    else:
        name = yield lambda: Guidance(vae)._goals, r"pass (\w+)=$"
        assert Guidance(vae, "tool-motion", **{name: goals})._goals is not None


@way(*(f"steer/guidance_config.py GuidanceConfig.{name}" for name in
       ("__post_init__", "__post_init__#2", "__post_init__#3", "__post_init__#4", "of", "scale")))  # fmt: skip
def _(p):
    end = p.site.split(".")[-1]
    if end == "__post_init__":
        name, value = yield lambda: GuidanceConfig(lam=-1.0), r"use (sign)=(-1) to reverse"
        GuidanceConfig(lam=1.0, **{name: int(value)})
    elif end == "__post_init__#2":
        value = yield lambda: GuidanceConfig(clamp=0.0), r"use (inf) for no clamp"
        GuidanceConfig(clamp=float(value))
    elif end == "__post_init__#3":
        tool = GuidanceConfig.of("tool-motion")
        yield lambda: replace(tool, latent="sample"), "leave both at their defaults, or guide at the demonstrations"
        replace(tool, lam=2.0)
        replace(GuidanceConfig(), latent="sample")
    elif end == "__post_init__#4":
        name, value = yield lambda: GuidanceConfig(latent="decoded"), r"use (\w+)='(\w+)'"
        GuidanceConfig.of("tool-motion", {"latent": "decoded", name: value})
    elif end == "of":
        options = yield lambda: GuidanceConfig.of(2.0), r"name the options: (.*)$"
        eval(f"config({options})", {"config": GuidanceConfig})
    else:
        config = next(GuidanceConfig(schedule=s) for s in _schedules() if _schedules()[s])
        name = yield lambda: config.scale(torch.zeros(2, 8, 5), 5), r"pass (\w+)=$"
        config.scale(torch.zeros(2, 8, 5), 5, **{name: torch.ones(2)})


def _schedules():
    from ate.steer.guidance_config import SCHEDULES

    return SCHEDULES


@way("steer/optim_config.py OptimConfig.__post_init__")
def _(p):
    name = yield lambda: OptimConfig(steps=0), r"raise (\w+)$"
    OptimConfig(**{name: 1})
    rate = yield lambda: OptimConfig(learning_rate=0.0), r"use (3e-4)$"
    OptimConfig(learning_rate=float(rate))
    bound = yield lambda: OptimConfig(max_grad_norm=0.0), r"use (inf) for no bound"
    OptimConfig(max_grad_norm=float(bound))
    decay, none = yield lambda: OptimConfig(ema=1.0), r"use (0\.999), or (0) for none"
    OptimConfig(ema=float(decay)), OptimConfig(ema=float(none))
