"""Ways out of `attach`: lines that a message names are taken from it and run in a stranger's loop."""

import re
from functools import cache

import numpy as np
import torch
from torch import nn

from ate.align import Alignment, fit
from ate.data import load
from ate.experiments.settings import ROOT
from ate.policies.noise import PARAMETERIZATIONS
from ate.steer import Guidance, attach
from ate.steer.goals import Goals
from ate.steer.scheduler_point import Noising
from tests.steer.strangers import DiffusionPolicy, FlowVla, OwnDiffusionPolicy, OwnScheduler
from tests.steer.test_attachment_mistakes import ROS, Loop, chunks_of, relative, right
from tests.ways.learning import VAE, InfoVAE
from tests.ways.taking import way
from tests.ways.worlds import world

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


@way("steer/fit.py Fit._check_pace", "steer/fit.py check_rate", slow=True)
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


class _Turned(nn.Module):
    """A flow whose forward pass has other names."""

    def __init__(self):
        super().__init__()
        self.action_out_proj = nn.Linear(D, D)

    def sample_noise(self, shape, device):
        return torch.randn(shape, device=device)

    def sample_time(self, size, device):
        return torch.rand(size, device=device)

    def forward(self, chunk):
        return self.action_out_proj(chunk)


@way("steer/flow_point.py flow_vla", "steer/hook_points.py find_hook_point")
def _(p):
    flow = FlowVla(S, D)
    if p.site.startswith("steer/flow"):
        yield lambda: attach(_Turned(), _guidance()), "check the version of the package"
    else:
        both = nn.ModuleList([flow, FlowVla(S, D)])
        yield lambda: attach(both, _guidance()), "give attach that one alone"
    with attach(flow, _guidance()):
        flow(_batch()[0])


class _Noising(nn.Module):
    """A policy that noises by itself."""

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(D, D)
        self.guided = None

    def forward(self, actions, noise, t, line=""):
        if line:
            eval(line, {"guided": self.guided, "actions": actions, "noise": noise, "t": t})
        level = t[:, None, None]
        return nn.functional.mse_loss(self.head((1 - level) * noise + level * actions), actions - noise)


@way("steer/hook_points.py find_hook_point#2", "steer/prediction_hook.py PredictionHook.hook")
def _(p):
    policy = _Noising()
    actions, noise, _ = _batch()
    t = torch.full((B,), 0.4)
    if p.site.startswith("steer/prediction"):

        def silent():
            with attach(policy, _guidance(), network=policy.head, predicts="flow_data_at_1"):
                policy(actions, noise, t)

        second = yield silent, r"call (guided\.noised\(actions, noise, t\)) before"
        first = "guided = ate.steer.attach(policy, alignment, network=policy.head, predicts='flow_data_at_1', …)"
    else:
        first, second = yield (
            lambda: attach(policy, _guidance()),
            r"two lines: (guided = .*?\)) .*: (guided\.noised\(.*\))$",
        )
    room = {"attach": attach, "policy": policy, "alignment": _guidance()}
    exec(first.replace("ate.steer.attach", "attach").replace(", …)", ")"), room)
    policy.guided = room["guided"]
    policy(actions, noise, t, second).backward()
    assert policy.guided.steps == 1
    policy.guided.detach()
    # One with a scheduler under a name that is not found.
    own = OwnDiffusionPolicy(S, D, "ddpm")
    with attach(own, _guidance(), scheduler=own.ddpm, network=own.denoiser, predicts="epsilon"):
        own(*_batch())


@way("steer/prediction_hook.py PredictionHook._prepare")
def _(p):
    w = world()

    def train(horizon, alignment):
        policy = DiffusionPolicy(horizon, len(alignment.joint_names))
        with attach(policy, alignment, joints=alignment.joint_names, statistics="alignment", rate_hz=20):
            policy(*(torch.zeros(4, horizon, len(alignment.joint_names)) for _ in range(2)), torch.arange(4))

    word, option = yield lambda: train(6, w.alignment), r"ate (align) -p (chunk=\d+)$"
    words = [word, "--preset", "smoke", "--pretrain", w.folder / "panda", "--adapt", w.folder / "ur5e"]
    small = ("pretrain_steps=2", "adapt_steps=2", "held_out=0.25", option)
    p.ate(*words, "--out", p.path, *(word for item in small for word in ("-p", item)))
    assert f"chunk={Alignment.load(p.path).config.chunk}" == option

    def flat():
        policy = _Noising()
        guided = attach(policy, _guidance(), network=policy.head, predicts="flow_data_at_1")
        guided.noised(torch.zeros(B, D), torch.zeros(B, D), torch.zeros(B))
        policy.head(torch.zeros(B, D))

    yield flat, r"give the actions as chunks \(B, S, D\)"


class _Wide(DiffusionPolicy):
    """Its model emits more than enters the loss."""

    def __init__(self):
        super().__init__(S, D)
        self.head, self.model = self.model, nn.Sequential()

    def forward(self, a0, noise, t):
        noisy = self.noise_scheduler.add_noise(a0, noise, t)
        return nn.functional.mse_loss(self.head(self.model(torch.cat([noisy, noisy], -1))[..., :D], t / 100), noise)


@way("steer/prediction_hook.py PredictionHook._shifted")
def _(p):
    policy = _Wide()

    def train(**more):
        with attach(policy, _guidance(), **more):
            policy(*_batch())

    name = yield train, r"pass (\w+)=, the module whose output enters the loss"
    train(**{name: policy.head})


@way("steer/prediction_hook.py PredictionHook._rows")
def _(p):
    policy, goals = DiffusionPolicy(S, D), Goals(torch.randn(7, 8), S)
    rows = torch.tensor([-1, 5, -1, 0])

    def train(line=""):
        with attach(policy, _guidance("tool-motion", goals=goals)) as guided:
            if line:
                eval(f"guided.{line}", {"guided": guided, "rows": rows})
            policy(*_batch())

    train((yield train, r"call (replayed\(rows\)) on what attach gives"))


@way("steer/scheduler_point.py with_scheduler", "steer/scheduler_point.py with_scheduler#2",
     "steer/scheduler_point.py scheduler_of", "steer/scheduler_point.py _only",
     "steer/scheduler_point.py _network_of")  # fmt: skip
def _(p):
    policy, end = DiffusionPolicy(S, D), p.site.split()[1]
    values = {"scheduler": policy.noise_scheduler, "network": policy.model, "predicts": "epsilon"}

    def train(*names, owner=policy):
        with attach(owner, _guidance(), **{name: values[name] for name in names}):
            policy(*_batch())

    if end == "with_scheduler":
        odd = nn.Identity()
        names = yield (
            lambda: attach(policy, _guidance(), scheduler=odd),
            r"leave scheduler= away and pass (\w+)= and (\w+)=$",
        )
        own = _Noising()
        values |= {"network": own.head, "predicts": "flow_data_at_1"}
        guided = attach(own, _guidance(), **{name: values[name] for name in names})
        guided.noised(*_batch()[:2], torch.full((B,), 0.4))
        own.head(_batch()[0])
        train()
    elif end == "with_scheduler#2":
        own = OwnDiffusionPolicy(S, D, "noise_scheduler", OwnScheduler())
        name, choices = yield lambda: attach(own, _guidance(), network=own.denoiser), r"or pass (\w+)=, one of (.*)$"
        assert choices.split(", ") == list(PARAMETERIZATIONS)
        with attach(own, _guidance(), network=own.denoiser, **{name: "epsilon"}):
            own(*_batch())
    elif end == "scheduler_of":
        bare = nn.Linear(2, 2)
        from ate.steer.scheduler_point import scheduler_of

        names = yield lambda: scheduler_of(bare), r"pass (\w+)= and (\w+)=$"
        train(*names)
    elif end == "_only":
        policy.second = nn.Module()
        policy.second.noise_scheduler = DiffusionPolicy(S, D).noise_scheduler
        names = yield lambda: attach(policy, _guidance()), r"pass (\w+)= and (\w+)="
        train(*names)
    else:
        own = nn.Module()
        own.noise_scheduler, own.first, own.second = policy.noise_scheduler, policy.model, nn.Linear(2, 2)
        name = yield lambda: attach(own, _guidance()), r"pass (\w+)=$"
        with attach(own, _guidance(), **{name: own.first}):
            policy(*_batch())


@way("steer/scheduler_point.py Noising.of")
def _(p):
    def add_noise(clean, scale):
        return clean * scale

    first, second, line = yield (
        lambda: Noising.of(add_noise, (torch.zeros(2, 3, 4), torch.zeros(2)), {}),
        r"pass (\w+)= and (\w+)= in place of scheduler=, and call (guided\.noised\(.*\))$",
    )
    policy = _Noising()
    policy.guided = attach(policy, _guidance(), **{first: policy.head, second: "flow_data_at_1"})
    policy(*_batch()[:2], torch.full((B,), 0.4), line)
    policy.guided.detach()


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
