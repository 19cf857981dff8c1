"""Ways out of run folders, devices, options, commands, reports and figures."""

import errno
import json
import subprocess
import sys
import threading
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from ate.batch import notebooks
from ate.experiments.methods import DIRECT, EVIDENCE, evidence
from ate.experiments.settings import settings
from ate.robots import unify
from ate.runs import checkpoint, device, distributed, loop, tracking
from ate.runs.child import Child
from ate.runs.directory import RunDirectory
from ate.runs.lock import lock
from ate.runs.options import convert, pairs
from ate.runs.origin import Origin
from ate.runs.refusal import refused
from ate.runs.status import STOP, Stopped
from ate.runs.yaml import read_mapping
from tests.conftest import write_episode
from tests.data.formats.truth import truth
from tests.experiments import test_comparisons
from tests.experiments.test_evidence import keep, result
from tests.robots.test_slots import recording
from tests.runs.test_tracking import Recorder
from tests.ways.taking import way
from tests.ways.worlds import world


@way("runs/child.py Child.start")
def _(p):
    from ate.runs import child

    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    child._own[process.pid] = process
    p.path.joinpath("run").mkdir()
    (p.path / "run/process.json").write_text(json.dumps({"pid": process.pid, "started": 0.0}))
    command = yield lambda: Child.start(["mask", "--help"], p.path / "run"), r"follow or stop it \(ate (\w+)\)"
    assert command == "watch"
    other = Child.start(["mask", "--help"], p.path / "run-2")
    process.terminate()
    process.wait()
    again = Child.start(["mask", "--help"], p.path / "run")
    for started in (other, again):
        child._own[started.process["pid"]].wait()


@way("runs/child.py Child.attach")
def _(p):
    yield lambda: Child.attach(p.path / "run"), "start one there"
    started = Child.start(["mask", "--help"], p.path / "run")
    Child.attach(p.path / "run")
    from ate.runs import child

    child._own[started.process["pid"]].wait()


@way("runs/lock.py lock")
def _(p):
    held, leave = threading.Event(), threading.Event()

    def hold():
        with lock(p.path / "run", "aligning"):
            held.set()
            leave.wait()

    other = threading.Thread(target=hold)
    other.start()
    held.wait()

    def enter(folder):
        with lock(folder, "aligning", wait=False):
            pass

    try:
        command = yield lambda: enter(p.path / "run"), r"\(ate (\w+)\), or choose another folder"
        assert command == "watch"
        enter(p.path / "run-2")
    finally:
        leave.set()
        other.join()
    enter(p.path / "run")


@way("runs/checkpoint.py _refused")
def _(p):
    file = p.path / "a.safetensors"
    file.write_bytes(b"no checkpoint")
    yield lambda: checkpoint.load(file), "give another file"
    checkpoint.save(p.path / "b.safetensors", {"a": 1})
    checkpoint.load(p.path / "b.safetensors")


@way("runs/device.py pick")
def _(p):
    names = yield lambda: device.pick("mps:7"), r"use (cpu) or cuda"
    device.pick(names)


@way("runs/device.py _own_gpu")
def _(p):
    p.patch.setenv("LOCAL_RANK", "1")
    p.patch.delenv("ATE_DEVICE", raising=False)
    p.patch.setattr(torch.cuda, "is_available", lambda: True)
    p.patch.setattr(torch.cuda, "device_count", lambda: 1)
    count, name, value = yield lambda: device.pick(), r"torchrun --nproc_per_node (\d), or (\w+)=(\w+)"
    p.patch.setenv(name, value)
    assert device.pick().type == "cpu"
    p.patch.delenv(name)
    p.patch.setenv("LOCAL_RANK", str(int(count) - 1))
    p.patch.setattr(torch, "empty", lambda *_, **__: SimpleNamespace(device=torch.device("cuda", 0)))
    p.patch.setattr(torch.cuda, "set_device", lambda _: None)
    device.pick()


@way("runs/directory.py RunDirectory.__post_init__")
def _(p):
    folder = p.path / "run"
    folder.mkdir()
    (folder / "run.json").write_text('{"format": 1}')
    option = yield lambda: p.ate("report", folder), r"name a new folder with (--run)"
    assert option == "--run"
    RunDirectory(p.path / "run-2").create()
    (folder / "run.json").unlink()
    folder.rmdir()
    RunDirectory(folder).create()


def _origin(p, seed):
    return Origin(f"arm of set {seed}", f"hash {seed}", f"hash {seed}")


@way("runs/directory.py RunDirectory.check_origin")
def _(p):
    run = RunDirectory(p.path / "run").create()
    run.bind(_origin(p, 0))
    (run.path / "policies").mkdir()
    folder = yield lambda: run.bind(_origin(p, 1)), r"e\.g\. --run (\S+) \(run= in notebooks\)"
    RunDirectory(type(p.path)(folder)).bind(_origin(p, 1))
    yield lambda: run.bind(_origin(p, 1)), "or remove this one"
    (run.path / "policies").rmdir()
    (run.path / "run.json").unlink()
    RunDirectory(run.path).bind(_origin(p, 1))


@way("runs/directory.py RunDirectory.existing")
def _(p):
    yield lambda: RunDirectory.existing(p.path / "run"), "run the notebooks first"
    RunDirectory(p.path / "run").create().save_headline("01", {"x": 1})
    RunDirectory.existing(p.path / "run")


@way("runs/distributed.py own_rows")
def _(p):
    p.patch.setattr(distributed, "processes", lambda: 2)
    option = yield lambda: distributed.own_rows(torch.zeros(3, 2)), r"change the option (\w+)"
    assert option == "batch"
    p.patch.setattr(distributed, "rank", lambda: 1)
    assert len(distributed.own_rows(torch.zeros(4, 2))) == 2
    p.patch.setattr(distributed, "processes", lambda: 1)
    assert len(distributed.own_rows(torch.zeros(3, 2))) == 3


@way("runs/loop.py _check", "runs/loop.py _check#2", "runs/loop.py _check#3")
def _(p):
    def train(folder, stop=False):
        def step(_):
            if stop:
                (folder / STOP).touch()
            return {}

        sums = torch.nn.ParameterDict({"sum": torch.nn.Parameter(torch.zeros(()))})
        state = {"sum": sums, "noise": torch.Generator().manual_seed(0)}
        loop.train(step, state, 10, directory=folder, identity="walk", log_every=5)

    p.patch.setattr("ate.runs.status.HEARTBEAT", 0.0)
    with pytest.raises(Stopped):
        train(p.path / "run", stop=True)
    file = p.path / "run" / loop.LAST
    tree = checkpoint.load(file)
    changed = {"_check": {"identity": "x" * 20}, "#2": {"state": {}}, "#3": {"device": "cuda"}}
    checkpoint.save(file, {**tree, **next(v for k, v in changed.items() if p.site.endswith(k))})
    if p.site.endswith("#3"):
        names = yield lambda: train(p.path / "run"), r"with (\w+)=(\w+) or device='(\w+)'"
        assert names == ("ATE_DEVICE", "cuda", "cuda")
    yield lambda: train(p.path / "run"), "choose another run directory, or remove this checkpoint"
    train(p.path / "run-2")
    file.unlink()
    train(p.path / "run")


@way("runs/options.py pairs")
def _(p):
    yield lambda: pairs(["lam"], "here"), "write the name, =, and the value"
    assert pairs(["lam=2"], "here")


@way("runs/options.py _refused")
def _(p):
    words = yield lambda: convert("soon", int, "here"), r"give (.*)$"
    assert words == "a whole number" and convert("3", int, "here") == 3


@way("runs/refusal.py _in_words", "runs/refusal.py _in_words#2", "runs/refusal.py _in_words#3")
def _(p):
    number = {"_in_words": errno.ENOSPC, "#2": errno.EACCES, "#3": errno.EIO}
    error = OSError(next(v for k, v in number.items() if p.site.endswith(k)), "x", str(p.path / "out"))

    def ended():
        raise refused(error)

    options = yield ended, r"name a folder elsewhere \((--run), (--out) or the last argument\)"
    # `ate convert` has its folder as the last argument; tests.cli.test_refusals fills a disk.
    for number in range(2):
        write_episode(p.set, number, next(truth(number)), robot="arm", rate_hz=20.0)
    p.ate("convert", p.set, p.path / "elsewhere")
    assert options == ("--run", "--out")


@way("runs/tracking.py _module", "runs/tracking.py _module#2")
def _(p):
    if p.site.endswith("#2"):
        p.patch.setitem(sys.modules, "odd", SimpleNamespace())
        yield lambda: tracking._module("odd"), "a module like them"
    else:
        # The extra is checked with all others, in test_foreign.
        yield lambda: tracking._module("no_such_module"), r"pip install -e '[^']*\[track\]'"
    p.patch.setitem(sys.modules, "recorder", Recorder())
    assert tracking._module("recorder")


@way("runs/yaml.py read_mapping", "runs/yaml.py read_mapping#2")
def _(p):
    file = p.path / "a.yaml"
    if p.site.endswith("#2"):
        file.write_text("a: 1\na: 2\n")
        yield lambda: read_mapping(file), "write every field once, with its value"
    else:
        yield lambda: read_mapping(file), "check the path"
    file.write_text("a: 1\n")
    assert read_mapping(file)


@way("batch/notebooks.py _execute")
def _(p):
    p.patch.setattr(notebooks, "ROOT", p.path)
    command = yield (
        lambda: notebooks._execute("01", RunDirectory(p.path / "run"), {}, (), None),
        r"with `(pip install -e \.)`",
    )
    # What an installation from a clone has, and one from a wheel has not.
    p.patch.undo()
    assert command and all((notebooks.ROOT / "notebooks" / name).is_file() for name in notebooks.NOTEBOOKS.values())


_AXES = {"lams": (1.0,), "clamps": (0.1,), "parameterization": ("sample",), "demonstrations": (5,), "steps": (10,)}


@way("batch/sweep_notebooks.py notebook_cells")
def _(p):
    from ate.batch.sweep_notebooks import notebook_cells
    from ate.experiments.sweep import Sweep

    yield (
        lambda: notebook_cells(Sweep(**_AXES, controls=("scratch",)), settings({"profile": "smoke"}), ()),
        "without notebooks",
    )
    notebook_cells(Sweep(**_AXES), settings({"profile": "smoke"}), ())


@way("cli/align.py benchmark")
def _(p):
    from ate.align.evaluate import benchmark

    # What is trained is no part of this: the number of seeds that reaches it is.
    asked = []
    p.patch.setattr(benchmark, "run_benchmark", lambda *words, **named: asked.append(words))
    p.patch.setattr(benchmark, "over_seeds", lambda _: (_ for _ in ()).throw(Stopped("asked")))
    w = world()
    words = ["benchmark", "--pretrain", w.folder / "panda", "--adapt", w.folder / "ur5e", "--run", p.path / "run"]
    count = yield lambda: p.ate(*words, "--seeds", 0), r"give (\d), say"
    with pytest.raises(Stopped):
        p.ate(*words, "--seeds", count)
    assert list(asked[0][3]) == list(range(int(count)))


@way("cli/demos.py demos")
def _(p):
    from ate.sim import demos as recorder

    p.patch.setattr(recorder, "verify", lambda *_: [])
    p.patch.setattr(recorder, "record_all", lambda *_: p.path)
    options = yield lambda: p.ate("demos", "--robot", "ur5e"), r"name one of each, or use (--all) or (--verify)"
    for option in options:
        p.ate("demos", option)
    p.ate("demos", "--robot", "ur5e", "--task", "lift", "--episodes", 1, "--out", p.path / "set")


@way("cli/evidence.py evidence")
def _(p):
    RunDirectory(p.path / "run").create()
    command, methods = yield lambda: p.ate("evidence", p.path / "run"), r"ate (compare) --methods (\w+) --run RUN"
    assert command == "compare" and methods == EVIDENCE
    keep(p.path / "run", [result(m.name, s, 0.5) for m in evidence() for s in range(3)])
    p.ate("evidence", p.path / "run")


@way("cli/evidence.py _each")
def _(p):
    keep(p.path / "run", [result(m, s, 0.5) for m in ("direct", "retarget") for s in range(3)])
    option = yield lambda: p.ate("evidence", "--each", "--first-seed", 9, p.path / "run"), r"lower (--first-seed)"
    p.ate("evidence", "--each", option, 0, p.path / "run")


@way("cli/identify.py identify", "cli/robot.py robot")
def _(p):
    name, suffix = ("identify", "json") if "identify" in p.site else ("robot", "html")
    from tests.robots.arms import exported
    from tests.ways.data import posed

    given = posed(p) if name == "identify" else p.path / "arm.urdf"
    (p.path / "arm.urdf").write_text(exported("ur5e"))
    (p.path / f"old.{suffix}").write_text("x")
    yield lambda: p.ate(name, given, "--out", p.path / f"old.{suffix}"), "give another name"
    p.ate(name, given, "--out", p.path / f"new.{suffix}")


@way("cli/robot.py robot#2")
def _(p):
    from tests.robots.arms import exported

    yield lambda: p.ate("robot", "so101", "--out", p.path / "a.html"), "give its URDF or MJCF"
    (p.path / "arm.urdf").write_text(exported("ur5e"))
    p.ate("robot", p.path / "arm.urdf", "--out", p.path / "a.html")


@way("cli/main.py Commands.get_command")
def _(p):
    name = yield lambda: p.ate("judge", "--help"), r"is now ate (\w+)$"
    p.ate(name, "--help")


@way("errors.py unknown")
def _(p):
    name = yield lambda: p.ate("doktor"), r"did you mean '(\w+)'"
    p.ate(name, "--help")


@way("cli/mask.py mask_command")
def _(p):
    slots, robot = yield lambda: p.ate("mask"), r"ate mask '([^']+)', or ate mask (--robot \w+)"
    p.ate("mask", slots)
    p.ate("mask", *robot.split())


@way("cli/mask.py _parse")
def _(p):
    yield lambda: p.ate("mask", "0-2"), "write whole numbers between brackets, separated by commas"
    p.ate("mask", "[0, 1, 2]")


@way("cli/push.py push")
def _(p):
    from ate.experiments.model_card import Model

    p.patch.setattr(Model, "push", lambda *_, **__: "https://huggingface.co/user/name")
    file = world().folder / "policy.safetensors"
    to, name, show = yield lambda: p.ate("push", file), r"add (--to) (\S+), or (--show)"
    p.ate("push", file, to, name)
    p.ate("push", file, show)


@way("cli/report.py curve")
def _(p):
    run = RunDirectory(p.path / "run").create()
    keep(run.path, [result("direct", seed, 0.5, 5) for seed in range(3)])
    pattern = r"ate sweep --axis demonstrations=(\S+) --axis controls=scratch --run"
    axis = yield lambda: p.ate("curve", run.path), pattern
    counts = [int(n) for n in axis.split(",")]
    keep(run.path, [result(m, seed, 0.5, n) for n in counts for m in ("direct", "scratch") for seed in range(3)])
    p.ate("curve", run.path)


@way("cli/retarget.py _base")
def _(p):
    w = world()
    words = ["retarget", w.folder / "panda", "--robot", "ur5e", "--out"]
    option, given = yield lambda: p.ate(*words, p.path / "out", "--base", "1 2"), r'(--base) "([^"]+)"'
    from ate.cli.retarget import _base

    assert _base(given, option).shape == (4, 4)


@way("cli/run.py track")
def _(p):
    yield lambda: p.ate("track", p.path / "nowhere", "--with", "recorder"), "name runs/<name>"
    p.patch.setitem(sys.modules, "recorder", Recorder())
    run = RunDirectory(p.path / "run").create()
    p.ate("track", run.path, "--with", "recorder")


@way("cli/steer.py _existing")
def _(p):
    w = world()
    words = ["steer", "--adapt", w.folder / "ur5e", "--method", "direct", "--steps", 1, "--out", p.path / "out"]
    accept = ["--accept", _accepted(w.folder / "ur5e")]
    name = yield lambda: p.ate(*words, "--policy", p.path), r"give a (\S+),"
    p.ate(*words, "--policy", w.folder / name, *accept)


def _accepted(path):
    """What the doctor calls FAIL of so small a set."""
    from ate.data import DataSet
    from ate.data.doctor.gate import failures

    return ",".join(row["code"] for row in failures([], [DataSet(str(path))], 8)) or "none"


@way("cli/steer_task.py Task.guidance", "cli/steer_task.py Task.guidance#2", "cli/steer_task.py Task.sets")
def _(p):
    w = world()
    words = ["steer", "--policy", w.folder / "policy.safetensors", "--adapt", w.folder / "ur5e", "--steps", 1]
    words += ["--batch", 8, "--clamp", 0.1, "--out", p.path / "out"]
    if p.site.endswith("Task.guidance"):
        one, other, kinds = yield lambda: p.ate(*words), r"give (--alignment), or (--method) (\w+ or \w+)"
        p.ate(*words, one, w.folder / "align")
        p.ate(*words[:-1], p.path / "direct", other, kinds.split(" or ")[1])
    elif p.site.endswith("#2"):
        from ate.align import fit

        config = w.alignment.config
        fit([w.new], w.old, config, directory=p.path / "other")
        made = yield (
            lambda: p.ate(*words, "--alignment", p.path / "other"),
            r"ate (align --pretrain FOLDER --adapt \S+ --out FOLDER)$",
        )
        made = made.replace("FOLDER", str(w.folder / "panda"), 1).replace("FOLDER", str(p.path / "aligned"))
        options = ("chunk=8", "pretrain_steps=2", "adapt_steps=2", "held_out=0.25")
        p.ate(*made.split(), "--preset", "smoke", *(word for o in options for word in ("-p", o)))
        p.ate(*words, "--alignment", p.path / "aligned")
    else:
        tool = ["--guidance", "tool-motion", "--lam", 1, "--alignment"]
        assert w.motion
        option = yield (
            lambda: p.ate(*words, *tool, w.folder / "motion"),
            r"give (--pretrain) FOLDER, or guide at the demonstrations",
        )
        p.ate(*words, *tool, w.folder / "motion", option, w.folder / "panda")
        p.ate(*words[:-1], p.path / "demonstrations", "--alignment", w.folder / "align")


@way("viz/figures/film.py film_strip")
def _(p):
    from ate.sim.rollout import rollout
    from ate.viz.figures.film import film_strip

    def hold(qpos, state):
        return np.repeat(qpos[:, None], 4, 1)

    plain = rollout(hold, "ur5e", "lift", [1], horizon_steps=4, execute=4)
    name, value = yield lambda: film_strip(plain, [0]), r"pass (\w+)=(\w+)"
    film_strip(rollout(hold, "ur5e", "lift", [1], horizon_steps=4, execute=4, **{name: value == "True"}), [0])


@way("viz/figures/panels.py _panel")
def _(p):
    from ate.viz.figures.panels import panels

    runs = [test_comparisons.result("λ = 2", seed, 0.5) for seed in range(2)]
    yield lambda: panels(runs), "train the λ = 0 method with the same seeds"
    assert panels([*runs, *(test_comparisons.result(DIRECT, seed, 0.4) for seed in range(2))])


@way("viz/figures/slots.py slot_picture")
def _(p):
    from ate.viz.figures.slots import slot_picture

    sets = [recording("panda", 7)]
    layout = yield lambda: slot_picture(unify(sets)), r"layout '(\w+)'"
    slot_picture(unify(sets, layout=layout))


@way("viz/report/write.py write_report")
def _(p):
    from ate.viz.report.write import write_report

    yield lambda: write_report([]), "name runs/<name>"
    run = RunDirectory(p.path / "run").create()
    run.save_headline("01", {"doctor": ["x"]})
    write_report(run)
