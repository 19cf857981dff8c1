"""Ways out of alignments."""

from dataclasses import replace

import numpy as np
import torch

import ate.align
from ate.align import Mixture, fit, fit_mixture, realign, refit
from ate.align.config import preset
from ate.align.divergences import mmd
from ate.align.evaluate.containment import enough_episodes
from ate.align.evaluate.correspondence import correspondence
from ate.align.evaluate.mode_occupancy import composition
from ate.align.evaluate.variants import variant_configs
from ate.align.latents import Latents
from ate.align.priors import aggregated
from ate.align.tool_encoder import ToolEncoder
from ate.align.trainer import _state
from ate.align.vae import InfoVAE, Posterior
from ate.data import load, load_sets
from ate.runs import checkpoint
from ate.steer import Goals, Guidance, retarget
from tests.align.test_mode_occupancy import MIXTURE, latents
from tests.ways.taking import way
from tests.ways.worlds import VAE, small, world


@way("align/alignment.py Alignment.spaces_of", "steer/goals.py Goals.of")
def _(p):
    w = world()
    if p.site.startswith("steer"):
        made = retarget(w.old, "ur5e", joint_names=w.new.joint_names)
        yield lambda: Goals.of(w.motion, [w.old.select([0])], made), "pass the sets that retarget was given"
        Goals.of(w.motion, [w.old], made)
    else:
        yield lambda: w.alignment.spaces_of([w.new]), "pass the sets that the alignment was trained on"
        w.alignment.spaces_of([w.old])


@way("align/alignment.py Alignment.load", "align/trainer.py _state")
def _(p):
    w = world()
    checkpoint.save(p.path / "last.safetensors", {"a": 1})
    if p.site.startswith("align/trainer"):
        yield lambda: _state(p.path), "train again in another folder"
        fit([w.old], w.new, small(), directory=p.path / "other")
    else:
        yield lambda: ate.align.Alignment.load(p.path / "last.safetensors"), "the folder that Alignment.save wrote"
        w.alignment.save(p.path / "saved")
        ate.align.Alignment.load(p.path / "saved")


@way("align/alignment.py as_sets", "align/inputs.py Inputs.of")
def _(p):
    w = world()
    if p.site.startswith("align/inputs"):
        yield lambda: fit([w.old], "ur5e", small()), r"read it with ate\.data\.load$"
        fit([w.old], load(w.folder / "ur5e"), small())
    else:
        yield lambda: fit("panda", w.new, small()), r"read it with ate\.data\.load_sets$"
        fit(load_sets(w.folder / "panda"), w.new, small())


@way("align/alignment.py split")
def _(p):
    w = world()
    steps = yield (
        lambda: fit([w.old], w.new, small(chunk=30_0)),
        r"pass more episodes, or a chunk of at most (\d+) steps",
    )
    fit([w.old], w.new, small(chunk=min(int(steps), 16)))


@way("align/anchors.py _no_tool")
def _(p):
    from tests.experiments.conftest import record

    old, new = (record(p.path / name, joints, 4, joints) for name, joints in (("old", 7), ("new", 6)))
    options = small(anchor_weight=1.0)
    name, value = yield lambda: fit([old], new, options), r"align without anchors: (\w+)=(\d)"
    fit([old], new, small(**{name: float(value)}))
    w = world()
    yield lambda: fit([old], new, options), r"record ee_pose \(n, 7\)"
    fit([w.old], w.new, options)


@way("align/config.py refused")
def _(p):
    name = yield lambda: small(chunk=0), r"change (\w+)$"
    small(**{name: 8})


@way("align/divergences.py mmd")
def _(p):
    yield lambda: mmd(torch.zeros(1, 2), torch.zeros(4, 2)), "use a larger batch"
    mmd(torch.zeros(4, 2), torch.zeros(4, 2))


@way("align/evaluate/containment.py enough_episodes")
def _(p):
    yield lambda: enough_episodes(np.array([0, 0, 1])), "pass more pre-training episodes"
    enough_episodes(np.arange(4))


@way("align/evaluate/correspondence.py correspondence")
def _(p):
    w = world()
    name = yield lambda: correspondence(w.alignment, [w.old], w.new, neighbours=0), r"raise (\w+)$"
    correspondence(w.alignment, [w.old], w.new, permutations=3, **{name: 1})


@way("align/evaluate/mode_occupancy.py composition")
def _(p):
    both = Latents.concat([latents([0, 1, 0, 1], 4, robot) for robot in ("left", "right")])
    yield lambda: composition(MIXTURE, both, ("lift",)), "name the task of each pre-training set in order"
    composition(MIXTURE, both, ("lift", "push"))


@way("align/evaluate/variants.py variant_configs", "align/evaluate/variants.py variant_configs#2")
def _(p):
    if p.site.endswith("#2"):
        yield lambda: variant_configs(["motion", "motion"], small()), "name each of them once"
        variant_configs(["motion"], small())
    else:
        from ate.align.evaluate.variants import CONTROLS

        yield lambda: variant_configs([f"{CONTROLS[0]}:latent=16"], small()), "change the base preset instead"
        variant_configs([CONTROLS[0]], small(latent=16))


@way("align/mixture.py Mixture.__post_init__")
def _(p):
    yield lambda: Mixture(torch.ones(3), torch.zeros(2, 3), torch.ones(2, 3)), "one weight, mean and standard deviation"
    Mixture(torch.ones(2) / 2, torch.zeros(2, 3), torch.ones(2, 3))


def _posteriors(count):
    torch.manual_seed(0)
    return [Posterior(torch.randn(count, 3), torch.ones(count, 3))]


@way("align/mixture_em.py fit_mixture", "align/mixture_em.py _scores")
def _(p):
    if p.site.endswith("_scores"):
        yield lambda: fit_mixture(_posteriors(40), torch.zeros(40)), "set mixture_components, or pass more episodes"
        fit_mixture(_posteriors(40), torch.zeros(40), 2)
        fit_mixture(_posteriors(40), torch.arange(40) // 10)
    else:
        zero = yield (
            lambda: fit_mixture(_posteriors(8), torch.arange(8) // 2, 9),
            r"lower mixture_components, or set (0)",
        )
        fit_mixture(_posteriors(8), torch.arange(8) // 2, 2)
        fit_mixture(_posteriors(40), torch.arange(40) // 10, int(zero))


@way("align/priors.py _check")
def _(p):
    yield lambda: aggregated([]), "episodes at least as long as the chunk"
    aggregated(_posteriors(4))


@way("align/stages.py refit", "align/stages.py realign")
def _(p):
    w = world()
    if p.site.endswith("realign"):
        anchored = replace(w.alignment, config=small(anchor_weight=1.0))
        name, option, value = yield (
            lambda: realign(anchored, w.new),
            r'a preset such as "([\w-]+)", or set (\w+) to (0)',
        )
        assert preset(name).anchor_weight
        realign(replace(w.alignment, config=small(**{option: float(value)})), w.new)
    else:
        yield lambda: refit(w.alignment, [w.old], w.new, small(latent=16)), "call fit, which trains stage 1 as well"
        fit([w.old], w.new, small(latent=16))


@way("align/tool_encoder.py ToolEncoder.__init__")
def _(p):
    w = world()
    tool = w.motion.tool_spaces[-1]
    yield lambda: ToolEncoder(InfoVAE(VAE), w.motion.space, tool), "take all three from one alignment of tool motion"
    Guidance.of(w.motion)


@way("align/vae.py InfoVAE.encode", "align/vae.py InfoVAE.decode", "align/vae.py InfoVAE._check_length",
     "align/vae.py InfoVAE._check_length#2")  # fmt: skip
def _(p):
    vae = InfoVAE(VAE)
    if p.site.endswith("encode"):
        yield lambda: vae.encode(torch.zeros(2, 8, 3)), "with the alignment's own action space first"
    elif p.site.endswith("decode"):
        yield lambda: vae.decode(torch.zeros(8), 8), "pass one latent a row"
    elif p.site.endswith("#2"):
        long = torch.zeros(2, VAE.positions, 5)
        yield lambda: vae.encode(long), "use shorter chunks or a VAEConfig with more positions"
        InfoVAE(replace(VAE, positions=2 * VAE.positions)).encode(long)
    else:
        linear = InfoVAE(replace(VAE, linear_rows=8))
        yield (
            lambda: linear.encode(torch.zeros(2, 6, 5)),
            "use chunks of that length, or a VAEConfig without linear_rows",
        )
        linear.encode(torch.zeros(2, 8, 5))
        vae.encode(torch.zeros(2, 6, 5))
    vae.decode(vae.encode(torch.zeros(2, 8, 5)).mean, 8)
