"""Ways out of `attach`: lines that a message names are taken from it and run in a stranger's loop."""

import re
from functools import cache

import numpy as np
import torch

from ate.align import fit
from ate.align.vae import InfoVAE
from ate.data import load
from ate.experiments.settings import ROOT
from ate.steer import Guidance, attach
from tests.steer.strangers import DiffusionPolicy, OwnDiffusionPolicy
from tests.steer.test_attachment_mistakes import ROS, Loop, chunks_of, relative, right
from tests.ways.taking import way
from tests.ways.worlds import VAE

S, D, B = 8, 5, 4


@cache
def _recorded():
    return load(ROOT / "data/lift/adapt/ur5e").select(range(20))


@cache
def _aligned():
    return fit([load(ROOT / "data/lift/pretrain/panda").select(range(8))], _recorded(), "smoke")


def _loop(change=lambda rows: rows):
    torch.manual_seed(0)
    return Loop(chunks_of(_recorded(), change))


def _named(fix):
    return [word.strip("' ") for word in re.search(r"joints=\[(.*?)\]", fix)[1].split(",")]


def _batch():
    generator = torch.Generator().manual_seed(1)
    a0, noise = (torch.randn(B, S, D, generator=generator) for _ in range(2))
    return a0, noise, torch.tensor([3, 40, 70, 90])


def _guidance(*preset, **options):
    torch.manual_seed(0)
    return Guidance(InfoVAE(VAE), *(preset or ("paper",)), **options)


@way("steer/attachment.py Attachment.__init__", "steer/attachment.py Attachment.__enter__",
     "steer/attachment.py Attachment.__exit__", "steer/attachment.py Attachment.noised")  # fmt: skip
def _(p):
    policy, batch = DiffusionPolicy(S, D), _batch()
    if p.site.endswith("__init__"):
        guided = attach(policy, _guidance())
        policy(*batch).backward()
        line = yield lambda: attach(policy, _guidance()), r"(guided\.detach\(\))"
        eval(line, {"guided": guided})
    elif p.site.endswith("__enter__"):
        guided = attach(policy, _guidance())
        policy(*batch).backward()
        guided.detach()
        yield guided.__enter__, "call attach again"
    elif p.site.endswith("noised"):
        own = OwnDiffusionPolicy(S, D)
        guided = attach(own, _guidance(), network=own.denoiser, predicts="epsilon")
        bar = torch.full((B,), 0.5)
        line = yield lambda: guided.noised(*batch[:2]), r"pass (alpha=.* and sigma=.*)$"
        eval(f"noised({line.replace(' and ', ', ').replace('ᾱ', 'bar')})",
             {"noised": lambda **levels: guided.noised(*batch[:2], **levels), "bar": bar})  # fmt: skip
        own.denoiser(batch[0], bar)
        guided.detach()
        flow = attach(own, _guidance(), network=own.denoiser, predicts="flow_data_at_1")
        name = yield lambda: flow.noised(*batch[:2]), r"pass (\w), its time"
        flow.noised(*batch[:2], **{name: bar})
        own.denoiser(batch[0], bar)
        flow.detach()
    else:

        def blind():
            with attach(policy, _guidance()):
                policy.eval()
                policy(*batch)

        line = yield blind, r"in (train\(\)) mode"
        eval(f"policy.{line}", {"policy": policy})
    with attach(policy, _guidance()) as again:
        policy(*batch)
    assert again.steps == 1


@way("steer/fit.py Fit._check_relative", "steer/prediction_hook.py PredictionHook.hook#2")
def _(p):
    chunks, state = relative(_recorded())
    loop, known = Loop(chunks), right(Loop(chunks), _aligned())
    rows, *batch = loop.batch()

    def train(line="", steps=1, every=True):
        """Steps of one batch, with the line before each of them, or before the first alone."""
        with attach(loop.policy, _aligned(), "paper", **known) as guided:
            for step in range(steps):
                if line and (every or not step):
                    eval(line, {"guided": guided, "state": state[rows]})
                # The same tensors would be the same step.
                loop.policy(*(part.clone() for part in batch))

    if p.site.endswith("#2"):
        pattern = r"call (guided\.offset\(state\)) before each training step"
        line = yield lambda: train("guided.offset(state)", 2, every=False), pattern
    else:
        line = yield train, r"(guided\.offset\(state\))"
    train(line, 2)


@way("steer/fit.py Fit._refuse", "steer/reconstruction.py check_reconstruction")
def _(p):
    loop = _loop()
    center, half = loop.statistics
    if p.site.startswith("steer/fit"):
        wrong = {"joints": _aligned().joint_names, "statistics": (np.rad2deg(center), np.rad2deg(half))}
        name, factor = yield (
            lambda: loop.guided(_aligned(), **wrong),
            r"give (\w+)= in the alignment's units \(([\d.e-]+) times",
        )
        given = tuple(part * float(factor) for part in wrong[name])
        loop.guided(_aligned(), joints=_aligned().joint_names, **{name: given})
        wide = {"joints": _aligned().joint_names, "statistics": (center, 3 * half)}
        names = yield lambda: loop.guided(_aligned(), **wide), r"correct (joints)= .* and (statistics)="
    else:
        from ate.steer.reconstruction import check_reconstruction

        chunks = _aligned().space.compact.encode(torch.from_numpy(chunks_of(_recorded())[:32]).float())
        odd = chunks + torch.linspace(-3, 3, len(chunks))[:, None, None]
        names = yield lambda: check_reconstruction(_aligned(), odd, "here"), r"pass (joints)= .* and (statistics)="
        check_reconstruction(_aligned(), chunks, "here")
    loop.guided(_aligned(), **dict(zip(names, (_aligned().joint_names, loop.statistics), strict=True)))


@way("steer/fit.py Fit._check_reconstruction")
def _(p):
    loop = _loop(lambda rows: rows[:, ROS])
    names = _aligned().joint_names
    yield lambda: loop.guided(_aligned(), joints=names, statistics="alignment"), r"order: joints=\[.*\]"
    loop.guided(_aligned(), joints=_named(p.error.fix), statistics=loop.statistics)


@way("steer/fit.py Fit._check_pace", "steer/fit.py check_rate")
def _(p):
    def twice(rows):
        places = np.arange(0, len(rows) - 1, 0.5)
        return np.stack([np.interp(places, np.arange(len(rows)), column) for column in rows.T], 1)

    loop = _loop(twice)
    if p.site.endswith("_check_pace"):
        pattern = r"\(ate convert --rate\).* pass (\w+)=([\d.]+)$"
        name, rate = yield lambda: loop.guided(_aligned(), **right(loop, _aligned())), pattern
        loop.guided(_aligned(), **{name: float(rate)}, **right(loop, _aligned()))
        return
    # Episodes of the policy's rate, and an alignment of them.
    pattern = r"align on episodes of the policy's rate \(ate (convert) (--rate)\)"
    command, option = yield lambda: loop.guided(_aligned(), rate_hz=40, **right(loop, _aligned())), pattern
    for role, robot, count in (("pretrain", "panda", 8), ("adapt", "ur5e", 20)):
        few = p.path / "few" / robot
        few.mkdir(parents=True)
        for file in sorted((ROOT / f"data/lift/{role}/{robot}").glob("*.hdf5"))[:count]:
            (few / file.name).symlink_to(file)
        p.ate(command, few, p.path / robot, option, 40)
    again = fit([load(p.path / "panda")], load(p.path / "ur5e"), "smoke")
    loop.guided(again, rate_hz=40, **right(loop, again))


@way("steer/unit_map.py ask_for", "steer/unit_map.py ask_for#2", "steer/unit_map.py units_of",
     "steer/unit_map.py units_of#2", "steer/unit_map.py _checked")  # fmt: skip
def _(p):
    loop, end, known = _loop(), p.site.split()[1], right(_loop(), _aligned())
    names = _aligned().joint_names

    def train(**given):
        loop.guided(_aligned(), **given)

    if end == "ask_for":
        line = yield lambda: train(statistics=loop.statistics), r"(joints=alignment\.joint_names)"
        eval(f"train(statistics=statistics, {line})",
             {"train": train, "alignment": _aligned(), "statistics": loop.statistics})  # fmt: skip
    elif end == "ask_for#2":
        pattern = r"pass (statistics)=\(centre, .* '(mean)' and '(std)' or '(min)' and '(max)'; statistics='(\w+)'"
        name, mean, std, low, high, own = yield lambda: train(joints=names), pattern
        center, half = loop.statistics
        train(joints=names, **{name: (center, half)})
        train(joints=names, **{name: {mean: center, std: half}})
        train(joints=names, **{name: {low: center - half, high: center + half}})
        assert own == "alignment"
    elif end == "units_of":
        odd = [f"{names[0]}s", *names[1:]]
        name = yield lambda: train(joints=odd, statistics=loop.statistics), r"did you mean '(\w+)'"
        assert name == odd[0]
    elif end == "units_of#2":
        padded = [*names, "pad_0", "pad_1"]
        yield lambda: train(joints=padded, statistics="alignment"), "name the columns without their padding"
    else:
        name = yield lambda: train(joints=names, statistics={"mu": 1}), r"in the order of (\w+)=, as a pair"
        assert name == "joints"
    train(**known)
