"""Ways out of methods, sweeps and executors."""

import sys
from types import SimpleNamespace

from ate.data import DataSet
from ate.experiments import Experiment, MethodSpec, Sweep, lambda_clamp
from ate.experiments.dispatch import JobSpec
from ate.experiments.executors import Executor
from ate.experiments.materials import Materials
from ate.experiments.seed_run import train_seed
from ate.experiments.settings import settings
from ate.experiments.sweep import CONTROLS
from ate.steer import GuidanceConfig
from tests.experiments.jobs import Note
from tests.ways.extras import _brought
from tests.ways.runs import _AXES
from tests.ways.taking import way
from tests.ways.worlds import world


@way("experiments/dispatch.py JobSpec.__post_init__")
def _(p):
    method = MethodSpec("direct")
    experiment = _experiment()
    yield lambda: JobSpec(experiment, (method, method), 0), "name each method once"
    JobSpec(experiment, (method,), 0)


def _experiment(**more):
    w = world()
    return Experiment(
        **{
            "policy": str(w.folder / "policy.safetensors"), "alignment": str(w.folder / "align"),
            "adapt": DataSet(str(w.folder / "ur5e")), "held_out": 0.25, "demonstrations": 2, "steps": 1, "batch": 4,
            "rollouts": 1, **more,
        }
    )  # fmt: skip


@way("experiments/executors.py Executor.__post_init__", "experiments/executors.py Executor.__post_init__#2",
     "experiments/executors.py Executor.__post_init__#3")  # fmt: skip
def _(p):
    if p.site.endswith("#2"):
        yield lambda: Executor.parse("slurm:time=0"), "correct it"
        Executor.parse("slurm:time=30")
    elif p.site.endswith("#3"):
        yield lambda: Executor("here", 0), "raise it"
        Executor("here", 1)
    else:
        yield lambda: Executor.parse("processes:time=3"), "set the number of workers instead"
        Executor.parse("processes", 3)


@way("experiments/limits.py _check")
def _(p):
    yield lambda: settings({"profile": "smoke", "seeds": "0"}), "raise it"
    settings({"profile": "smoke", "seeds": "1"})
    share = yield lambda: settings({"profile": "smoke", "held_out": "2"}), r"use (0\.1)$"
    settings({"profile": "smoke", "held_out": share})
    least = yield lambda: settings({"profile": "smoke", "validation_seeds": "-1"}), r"use (0) for none"
    settings({"profile": "smoke", "validation_seeds": least})


def _tool():
    """A policy that acts in tool space, of the world's robots."""
    from ate.data.tool_space import tool_spaces
    from ate.policies import build
    from ate.robots.frames import Placement

    w = world()
    file = w.folder / "tool.safetensors"
    if not file.exists():
        build([w.old], 8, seed=0, acted_in=tool_spaces([w.old], [Placement.of("panda")]), hidden=16).save(file)
    return str(file)


@way("experiments/materials.py Materials.tool_policy", "experiments/materials.py Materials._tool_space")
def _(p):
    method = MethodSpec("tool space", space="tool")
    assert method.space == "tool"
    w = world()
    if p.site.endswith("_tool_space"):
        joints = _experiment(tool_policy=str(w.folder / "policy.safetensors"))
        yield lambda: _materials(joints)._tool_space, r"pre-train it with ate\.data\.tool_spaces"
        assert _materials(_experiment(tool_policy=_tool()))._tool_space
    else:
        yield lambda: _materials(_experiment()).tool_policy, "or leave it out"
        assert _materials(_experiment(tool_policy=_tool())).tool_policy
        train_seed(_experiment(), [MethodSpec("direct")], 0, None)


def _materials(experiment):
    w = world()
    return Materials(experiment, w.new, w.new, 0, None)


@way("experiments/materials.py _pretrain_data")
def _(p):
    from ate.experiments.materials import _pretrain_data

    name = yield lambda: _pretrain_data(_experiment()), r"set (\w+)$"
    assert _pretrain_data(_experiment(**{name: DataSet(str(world().folder / "panda"))}))


@way(*(f"experiments/methods.py MethodSpec.__post_init__{number}" for number in ("", "#2", "#3", "#4")))
def _(p):
    guided = GuidanceConfig(lam=2.0)
    if p.site.endswith("#2"):
        tool = GuidanceConfig.of("tool-motion")
        yield lambda: MethodSpec("x", encoder="motion", guidance=tool), "set replay, or guide at the demonstrations"
        MethodSpec("x", encoder="motion", guidance=tool, replay="retargeted")
        MethodSpec("x", encoder="motion", guidance=guided)
    elif p.site.endswith("#3"):
        yield lambda: MethodSpec("x", encoder="aligned", guidance=guided, space="tool"), "act in joints"
        MethodSpec("x", encoder="aligned", guidance=guided)
    elif p.site.endswith("#4"):
        yield lambda: MethodSpec("x", share=0.0), "leave both at their defaults"
        MethodSpec("x")
    else:
        lam = yield lambda: MethodSpec("x", guidance=guided), r"λ = (0) is the direct method; name an encoder"
        MethodSpec("x", guidance=GuidanceConfig(lam=float(lam)))
        MethodSpec("x", encoder="aligned", guidance=guided)


@way("experiments/methods.py lambda_clamp")
def _(p):
    lams, clamps = yield lambda: lambda_clamp([], []), r"lams (\S+) and clamps (\S+)$"
    assert lambda_clamp(*([float(x) for x in text.split(",")] for text in (lams, clamps)))


@way("experiments/seed_run.py train_seed")
def _(p):
    guided = MethodSpec("aligned", encoder="aligned", guidance=GuidanceConfig(lam=1.0))
    none = _experiment(demonstrations=0)
    yield lambda: train_seed(none, [guided], 0, None), "give demonstrations, or leave the method out"
    train_seed(_experiment(), [guided], 0, None)
    train_seed(none, [], 0, None)


@way("experiments/slurm.py _check_installed", "experiments/slurm.py _check_installed#2")
def _(p):
    jobs = [Note("a", str(p.path))]
    if p.site.endswith("#2"):
        p.patch.setenv("PATH", str(p.path))
        kind = yield lambda: list(Executor("slurm").run(jobs, p.path / "jobs")), r"use the executor (\w+)$"
        assert dict(Executor(kind).run(jobs, p.path / "jobs")) == {0: None}
    else:
        p.patch.setitem(sys.modules, "submitit", None)
        pattern = r"pip install -e '[^']*\[(\w+)\]'"
        extra = yield lambda: list(Executor("submitit-local").run(jobs, p.path / "jobs")), pattern
        assert any(item.startswith("submitit") for item in _brought(extra))
        p.patch.undo()
        assert list(Executor("here").run(jobs, p.path / "jobs"))


@way("experiments/slurm.py _attached")
def _(p):
    from ate.experiments import slurm

    jobs, folder = [Note("a", str(p.path))], p.path / "jobs"
    file = slurm._record(folder, jobs[0])
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text('{"job": "7"}')
    p.patch.setattr(slurm, "_queue", lambda: None)
    yield lambda: slurm._attached(jobs, folder), "try again when its controller is up"
    p.patch.setattr(slurm, "_queue", set)
    slurm._attached(jobs, folder)


@way("experiments/slurm.py _submit")
def _(p):
    from contextlib import nullcontext

    from submitit.core.utils import FailedSubmissionError

    from ate.experiments import slurm

    def refuse(_):
        raise FailedSubmissionError("invalid partition")

    executor = SimpleNamespace(batch=nullcontext, submit=refuse)
    jobs = [Note("a", str(p.path))]
    option, kind, names = yield lambda: slurm._submit(jobs, executor), r"(--executor) (slurm):(\S+)$"
    given = names.replace("time=…", "time=30").replace("partition=…", "partition=gpu")
    assert option == "--executor" and dict(Executor.parse(f"{kind}:{given}").options) == {
        "partition": "gpu",
        "time": 30,
    }
    executor.submit = lambda job: job
    assert slurm._submit(jobs, executor)


@way("experiments/sweep.py Sweep.__post_init__", "experiments/sweep.py Sweep.__post_init__#2",
     "experiments/sweep.py Sweep.__post_init__#3")  # fmt: skip
def _(p):
    if p.site.endswith("#2"):
        yield lambda: Sweep(**_AXES, seeds=0), "raise it"
        Sweep(**_AXES, seeds=1)
    elif p.site.endswith("#3"):
        yield lambda: Sweep(**_AXES, controls=CONTROLS[:1], control_lams=(9.0,)), "sweep that value too"
        Sweep(**{**_AXES, "lams": (1.0, 9.0)}, controls=CONTROLS[:1], control_lams=(9.0,))
    else:
        name = yield lambda: Sweep(**_AXES, share=()), r"leave (\w+) away, or give a value"
        Sweep(**_AXES)
        Sweep(**_AXES, **{name: (0.5,)})
