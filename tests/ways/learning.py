"""Ways out of alignment, guidance, fine-tuning and retargeting."""

import json
from dataclasses import replace

import numpy as np
import torch
import yaml

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
from ate.align.released import run_folder
from ate.align.released.config import read_seed_config
from ate.align.released.weights import from_released, to_released
from ate.align.tool_encoder import ToolEncoder
from ate.align.trainer import _state
from ate.align.vae import InfoVAE, Posterior, VAEConfig
from ate.data import load, load_sets
from ate.policies import build
from ate.runs import checkpoint
from ate.steer import Bounds, Evaluation, Goals, Guidance, GuidanceConfig, OptimConfig, Replay, retarget
from ate.steer.compatibility import check_goals, check_guidance
from ate.steer.finetuning import finetune_methods
from ate.steer.released import guidance_of
from ate.steer.trainer import GuidedPolicy
from ate.steer.training import train_methods
from tests.align.test_mode_occupancy import MIXTURE, latents
from tests.align.test_released_config import DOCUMENTED
from tests.ways.taking import way
from tests.ways.worlds import world

SMALL = {"chunk": 8, "pretrain_steps": 2, "adapt_steps": 2, "held_out": 0.25}
VAE = VAEConfig(features=5, latent=8, layers=3, heads=2, feedforward=16)


def small(**more):
    return preset("smoke").with_options(**{**SMALL, **more})


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
        name = yield lambda: fit([w.old], "ur5e", small()), r"read it with (ate\.data\.load)$"
        fit([w.old], load(w.folder / "ur5e"), small())
    else:
        name = yield lambda: fit("panda", w.new, small()), r"read it with (ate\.data\.load_sets)$"
        fit(load_sets(w.folder / "panda"), w.new, small())
    assert name


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


def _yaml(p, text=DOCUMENTED, **changed):
    tree = {**yaml.safe_load(text), **changed}
    (p.path / "seed.yaml").write_text(yaml.safe_dump({k: v for k, v in tree.items() if v is not None}))
    return [p.path / "seed.yaml"]


@way("align/released/config.py read_seed_config", "align/released/config.py read_seed_config#2",
     "align/released/config.py read_seed_config#3", "align/released/config.py _read")  # fmt: skip
def _(p):
    if p.site.endswith("#2"):
        value = yield lambda: read_seed_config(_yaml(p, SA_step=2)), r"set it to (1):"
        read_seed_config(_yaml(p, SA_step=int(value)))
    elif p.site.endswith("#3"):
        resumed = {"enable_resume": True, "pretrained_model_dir": None}
        name = yield lambda: read_seed_config(_yaml(p, **resumed)), r"add (\w+)$"
        read_seed_config(_yaml(p, **{**resumed, name: "/runs/one"}))
    elif p.site.endswith("_read"):
        yield (
            lambda: read_seed_config(_yaml(p, stage1_s_length=16, stage2_s_length=8)),
            "make them equal, or remove one",
        )
        read_seed_config(_yaml(p, s_length=None, stage1_s_length=16, stage2_s_length=16))
        read_seed_config(_yaml(p, s_length=None, stage1_s_length=16))
    else:
        yield lambda: read_seed_config(_yaml(p, pretraining_dataset_dir=None)), "add it"
        read_seed_config(_yaml(p))


@way("align/released/run_folder.py _folder", "align/released/run_folder.py _folder#2",
     "align/released/run_folder.py _folder#3", "align/released/run_folder.py _check_columns")  # fmt: skip
def _(p):
    w = world()
    run = p.path / "run"
    checkpoint.save(run / "pretrain" / run_folder.LAST, {"a": 1})

    def given(**changed):
        return read_seed_config(_yaml(p, **changed))

    if p.site.endswith("_folder"):
        file = given(enable_resume=True, pretrained_model_dir=str(run))
        option = yield lambda: run_folder._folder(file, p.path / "out"), r"leave (--out) away"
        assert option and run_folder._folder(file, None) == run
    elif p.site.endswith("#2"):
        empty = p.path / "empty"
        name, value = yield (
            lambda: run_folder._folder(given(enable_resume=True, pretrained_model_dir=str(empty)), None),
            r"set (\w+) to (False)",
        )
        assert name == "resume"
        run_folder._folder(given(enable_resume=value == "True", pretrained_model_dir=str(empty)), p.path / "new")
        vae = InfoVAE(VAE)
        torch.save(to_released(vae), empty.with_suffix(".pth"))
        empty.mkdir()
        empty.with_suffix(".pth").rename(empty / "vae_adapt_Best.pth")
        name = yield (
            lambda: run_folder._folder(given(enable_resume=True, pretrained_model_dir=str(empty)), None),
            r"(ate\.align\.load_released) reads such weights",
        )
        ate.align.load_released(empty / "vae_adapt_Best.pth")
    elif p.site.endswith("#3"):
        option, name, folder = yield (
            lambda: run_folder._folder(given(), run),
            r"choose another (--out), or set resume \((\w+)\) to True and (\w+) to this one",
        )
        assert option == "--out" and run_folder._folder(given(), p.path / "new")
        run_folder._folder(given(**{name: True, folder: str(run)}), None)
    else:
        columns = yield (
            lambda: run_folder._check_columns(given(in_channels=99), [w.old], w.new),
            r"set in_channels to (\d+)",
        )
        run_folder._check_columns(given(in_channels=int(columns)), [w.old], w.new)


@way("align/released/run_folder.py Job.verdict")
def _(p):
    w = world()
    sets = w.old, w.new
    _yaml(p, pretraining_dataset_dir=str(w.folder / "panda"), adaptation_dataset_dir=str(w.folder / "ur5e"))
    assert all(len(episodes) for episodes in sets)
    job = run_folder.Job.__new__(run_folder.Job)
    object.__setattr__(job, "alignment", None)
    yield job.verdict, "call run first"


@way("align/released/weights.py load_released", "align/released/weights.py load_released#2",
     "align/released/weights.py load_released#3", "align/released/weights.py from_released",
     "align/released/weights.py from_released#2", "align/released/weights.py _config")  # fmt: skip
def _(p):
    file, good = p.path / "vae.pth", to_released(InfoVAE(VAE))
    read = ate.align.load_released
    if p.site.endswith("load_released"):
        yield lambda: read(file), "check the path"
    elif p.site.endswith("load_released#2") or p.site.endswith("load_released#3"):
        torch.save([1], file) if p.site.endswith("#3") else file.write_bytes(b"nothing")
        line = yield lambda: read(file), r"(model\.state_dict\(\))"
        assert list(eval(line, {"model": InfoVAE(VAE)}))
    elif p.site.endswith("from_released"):
        key = next(iter(good))
        yield lambda: from_released({k: v for k, v in good.items() if k != key}), "pass the whole state dict of the VAE"
    elif p.site.endswith("from_released#2"):
        key = next(k for k, v in good.items() if v.dim() == 2)
        yield lambda: from_released({**good, key: good[key][:, :-1]}), "check that all weights are of one network"
    else:
        from ate.align.released.weights import SIZES

        yield lambda: from_released({**good, SIZES[0]: torch.zeros(3)}), "check that the weights are an Info-VAE's"
    torch.save(good, file)
    read(file)


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


def _released(p):
    """A configuration of the release beside its encoder of 128 slots."""
    torch.save(to_released(InfoVAE(replace(VAE, features=128))), p.path / "vae.pth")
    return {"pretrained_path": str(p.path / "vae.pth"), "mask": [0, 1, 2, 3, 4, 5, 10], "lambda": 1.0, "clamp": 0.1}


@way("steer/released.py guidance_of", "steer/released.py guidance_of#2", "steer/released.py guidance_of#3",
     "steer/released.py _checked", "steer/released.py _checked#2", "steer/released.py _checked#3",
     "steer/released.py _mask")  # fmt: skip
def _(p):
    block, end = _released(p), p.site.split()[1]
    if end == "guidance_of":
        name = yield lambda: guidance_of({**block, "latent_dim": 99}, 8), r"correct (\w+), or give the encoder"
        guidance_of({**block, name: VAE.latent}, 8)
    elif end == "guidance_of#2":
        vae = InfoVAE(VAE)
        torch.save(to_released(vae), p.path / "vae.pth")
        name = yield lambda: guidance_of(block, 8), r"or use Guidance\((\w+)=…\)"
        Guidance(vae, **{name: (0, 1, 2, 3, 4)})
        _released(p)
    elif end == "guidance_of#3":
        yield lambda: guidance_of(block, 10_000), "align with the policy's horizon"
    elif end == "_checked":
        names = yield lambda: guidance_of({"vae": [1]}, 8), r"give the fields (.*)$"
        assert set(block) <= set(names.split(", "))
    elif end == "_checked#2":
        name = yield lambda: guidance_of({**block, "clamp": "x"}, 8), r"correct (\w+)$"
        block[name] = 0.1
    elif end == "_checked#3":
        name = yield lambda: guidance_of({k: v for k, v in block.items() if k != "clamp"}, 8), r"add (\w+)$"
        block[name] = 0.1
    else:
        words = yield lambda: guidance_of({**block, "mask": [0, 200]}, 8), r"`ate (mask --robot) NAME`"
        p.ate(*words.split(), "ur5e")
        from ate.robots import profile, slot_mask

        block["mask"] = json.loads(json.dumps(list(slot_mask(profile("ur5e")))))
    guidance_of(block, 8)


@way("steer/retargeting.py retarget", slow=True)
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
