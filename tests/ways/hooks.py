"""Ways out of the places where guidance hooks in."""

import torch
from torch import nn

from ate.align import Alignment
from ate.policies.noise import PARAMETERIZATIONS
from ate.steer import attach
from ate.steer.goals import Goals
from ate.steer.scheduler_point import Noising
from tests.steer.strangers import DiffusionPolicy, FlowVla, OwnDiffusionPolicy, OwnScheduler
from tests.ways.attachment import B, D, S, _batch, _guidance
from tests.ways.taking import way
from tests.ways.worlds import world


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
