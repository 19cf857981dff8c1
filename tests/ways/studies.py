"""Ways out of methods, sweeps, executors, results, winners, observations and model cards."""

import json
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np

from ate.cli.compare import sweep
from ate.data import DataSet, load
from ate.experiments import Experiment, MethodSpec, Sweep, lambda_clamp, preflight
from ate.experiments.dispatch import JobSpec
from ate.experiments.executors import Executor
from ate.experiments.lerobot_runs import read, successes
from ate.experiments.materials import Materials
from ate.experiments.model_card import Model
from ate.experiments.seed_run import train_seed
from ate.experiments.settings import settings
from ate.experiments.stats.comparisons import differences
from ate.experiments.stats.pairing import outcomes
from ate.experiments.stats.selection import searched, validation
from ate.experiments.store import Cell, Store
from ate.experiments.sweep import CONTROLS
from ate.experiments.winner import read_winner, winner
from ate.steer import GuidanceConfig
from tests.experiments import test_lerobot_runs
from tests.experiments.jobs import Note
from tests.experiments.test_comparisons import result
from tests.experiments.test_model_card import Hub
from tests.experiments.test_own_simulator import REACH, SMALL, record
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


@way("experiments/lerobot_runs.py read", "experiments/lerobot_runs.py read#2", "experiments/lerobot_runs.py successes")
def _(p):
    run = test_lerobot_runs.write(p.path / "run", 0, 1, [1, 0, 1, 1])
    if p.site.endswith("#2"):
        (run / "eval_info.json").unlink()
        option, file = yield lambda: read(run), r"or ate rollout (--json) (\S+)$"
        assert option == "--json"
        Path(file).write_text(json.dumps({"success": [True, False]}))
    elif p.site.endswith("successes"):
        file = run / "eval_info.json"
        whole = file.read_text()
        file.write_text("{}")
        option = yield lambda: successes(file), r"with ate rollout (--json)"
        file.write_text(json.dumps({"success": [True, False]}))
        successes(file)
        file.write_text(whole)
        assert option
    else:
        yield lambda: read(p.path / "nowhere"), "the folder that lerobot-train got as output_dir"
    read(run)


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
        name = yield lambda: _materials(joints)._tool_space, r"pre-train it with (ate\.data\.tool_spaces)"
        assert name
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


@way("experiments/model_card.py Model.of", "experiments/model_card.py Model.push")
def _(p):
    w = world()
    if p.site.endswith("push"):
        name = yield lambda: Model.of(w.folder / "policy.safetensors").push("lift", api=Hub()), r"--to (\S+)$"
        Model.of(w.folder / "policy.safetensors").push(name, api=Hub())
    else:
        yield lambda: Model.of(p.path), "give the file of an alignment, or the .safetensors of a policy"
        Model.of(w.folder / "align")
        Model.of(w.folder / "policy.safetensors")


def _reach(p):
    record(p.path / "old", "old", 4, swapped=True)
    record(p.path / "new", "new", 4, swapped=False)
    record(p.path / "stateless", "new", 4, swapped=False, state=False)

    def ready(**more):
        given = {"run": str(p.path / "run"), "pretrain": str(p.path / "old"), "adapt": str(p.path / "new"), **more}
        return preflight(settings({**SMALL, **given}), strict=False)

    return ready


@way("experiments/observability.py check_observations", "experiments/observability.py check_observations#2",
     "experiments/observability.py _check_simulator", "experiments/observability.py _check_simulator#2")  # fmt: skip
def _(p):
    ready = _reach(p)
    if p.site.endswith("check_observations"):
        option, value = yield lambda: ready(adapt=str(p.path / "stateless")), r"with (blind)=(true)"
        ready(adapt=str(p.path / "stateless"), **{option: value})
        yield lambda: ready(adapt=str(p.path / "stateless")), "record it as `state`"
        ready()
    elif p.site.endswith("check_observations#2"):
        name, kind = yield lambda: ready(task="lift", simulator=""), r"\((simulator)=(gym:)ID\), or leave task out"
        assert REACH.startswith(kind)
        ready(**{name: REACH})
        ready(simulator="")
    elif p.site.endswith("_check_simulator"):
        for robot in ("old", "new"):
            _third(p.path / robot)
        wide = REACH
        parameter = yield (
            lambda: ready(simulator=wide),
            r"choose them with qpos=KEY\[first:last\].*an observation has (.*)$",
        )
        key = parameter.split(" ")[0]
        two = {"joints": "x,y", "joints_pretrain": "x,y"}
        ready(simulator=REACH.replace("qpos=agent/at", f"qpos={key}[0:2]"), **two)
    else:
        twice = REACH.replace("state=goal", "state=goal+goal")
        option, value, keys = yield lambda: ready(simulator=twice), r"with (blind)=(true); an observation has (.*)$"
        ready(simulator=REACH.replace(",state=goal", ""), **{option: value})
        assert "goal" in keys
        ready(simulator=twice.replace("goal+goal", "goal"))


@way("experiments/observability.py check_observations#4")
def _(p):
    from ate.experiments.observability import check_observations

    w = world()
    wide = [replace(s, items=tuple(_wide(item) for item in s)) for s in (w.old, w.new)]
    chosen = settings({"profile": "smoke", "task": "lift", "run": str(p.path / "run")})
    name, option, value = yield (
        lambda: check_observations(chosen, [wide[0]], wide[1]),
        r"\((simulator)=gym:ID\), or .* with (\w+)=(\w+)",
    )
    blind = settings({"profile": "smoke", "task": "lift", "run": str(p.path / "run"), option: value})
    check_observations(blind, [wide[0]], wide[1])
    assert name in blind.parameters


def _third(folder):
    """A third column, which the simulator has not."""
    for item in load(folder):
        rows = np.hstack([item.qpos, item.qpos[:, :1]])
        names = ["x", "y", "z"]
        file = item.path
        with h5py.File(file, "r+") as handle:
            del handle["qpos"]
            handle["qpos"] = rows
            handle.attrs["joint_names"] = names


def _wide(item):
    from ate.data.series import Series

    state = np.zeros((len(item), 3), "f4")
    return replace(item, series={**item.series, "state": Series.of(state, "here")})


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
        yield lambda: list(Executor("submitit-local").run(jobs, p.path / "jobs")), r"pip install -e '[^']*\[cluster\]'"
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


@way("experiments/stats/comparisons.py differences")
def _(p):
    runs = [result(name, seed, 0.5) for name in ("direct", "a", "b", "c") for seed in range(2)]
    yield lambda: differences(runs, methods=2), "leave it out"
    differences(runs)


@way(
    "experiments/stats/pairing.py outcomes", "experiments/stats/pairing.py gaps", "experiments/stats/pairing.py gaps#2"
)
def _(p):
    runs = [result(name, seed, 0.5) for name in ("direct", "a") for seed in range(2)]
    if p.site.endswith("#2"):
        yield lambda: differences(runs[:-1]), "with the same seeds"
    elif p.site.endswith("gaps"):
        yield lambda: differences(runs[2:]), "train it with the same seeds"
    else:
        twice = [*runs, result("a", 0, 0.5, demonstrations=9)]
        yield lambda: outcomes(twice), "number of demonstrations and of steps at a time"
        yield lambda: outcomes([replace(runs[0], success=())]), "roll out in a robot and task of ate.sim"
    differences(runs)


@way("experiments/stats/selection.py searched", "experiments/stats/selection.py validation",
     "experiments/stats/selection.py validation#2", "experiments/winner.py winner")  # fmt: skip
def _(p):
    runs = [result(n, s, r) for n, r in (("direct", 0.3), ("λ = 2", 0.8)) for s in range(3)]
    later = [replace(run, seed=run.seed + 3) for run in runs]
    if p.site.endswith("searched"):
        yield lambda: searched(runs[:3]), "run a λ × clamp grid"
        searched(runs)
    elif p.site.endswith("#2"):
        yield lambda: validation(runs, later[:3]), "train it with the held-out seeds"
        validation(runs, later)
    elif p.site.endswith("validation"):
        yield lambda: validation(runs, runs), "with other seeds"
        validation(runs, later)
    else:
        mixed = [*runs, *(replace(run, demonstrations=9) for run in runs)]
        yield lambda: winner(mixed), "among the results of one regime"
        winner([run for run in mixed if run.demonstrations == 9])


@way("experiments/store.py Store.read")
def _(p):
    from ate.runs.files import write_json

    store = Store(p.path)
    made = result("direct", 0, 0.5)
    cell = Cell(made.spec, 0, "k" * 64)
    write_json(store.file(cell), replace(made, cell="other").to_tree())
    yield lambda: store.read(cell), "remove the file; the cell is then trained again"
    store.file(cell).unlink()
    assert not store.file(cell).exists()


@way("experiments/store.py Store.check_apart")
def _(p):
    made, store = result("direct", 0, 0.5), Store(p.path)
    cell = Cell(made.spec, 0, "k" * 64)
    store.write(cell.otherwise, made)
    option = yield lambda: store.check_apart([cell]), r"another folder: (--run)$"
    assert option in {name for item in sweep.params for name in item.opts}
    Store(p.path / "other").check_apart([cell])


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


@way("experiments/winner.py read_winner", "experiments/winner.py read_winner#2", "experiments/winner.py read_winner#3",
     "experiments/winner.py read_winner#4")  # fmt: skip
def _(p):
    file = p.path / "winner.json"
    good = {"encoder": "aligned", "guidance": GuidanceConfig(lam=2.0).to_dict()}
    if p.site.endswith("#4"):
        file.write_text(json.dumps({**good, "guidance": {"sgin": 1}}))
        name = yield lambda: read_winner(file), r"did you mean '(\w+)'"
        file.write_text(json.dumps({**good, "guidance": {name: 1}}))
        read_winner(file)
        return
    if p.site.endswith(("#2", "#3")):
        file.write_text("{" if p.site.endswith("#2") else "{}")
        yield lambda: read_winner(file), "run notebook 04 again"
    else:
        yield lambda: read_winner(file), "check the path"
    file.write_text(json.dumps(good))
    read_winner(file)
