"""Ways out of run folders, devices and options."""

import errno
import json
import subprocess
import sys
import threading
from types import SimpleNamespace

import pytest
import torch

from ate.batch import notebooks
from ate.experiments.settings import settings
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
from tests.runs.test_tracking import Recorder
from tests.ways.extras import _brought
from tests.ways.taking import way


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
        """Ten steps of a sum, or the first alone."""

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
        extra = yield lambda: tracking._module("no_such_module"), r"pip install -e '[^']*\[(\w+)\]' for trackio"
        assert any(item.startswith("trackio") for item in _brought(extra))
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
    yield (
        lambda: notebooks._execute("01", RunDirectory(p.path / "run"), {}, (), None),
        r"with `pip install -e \.`",
    )
    # What an installation from a clone has, and one from a wheel has not.
    p.patch.undo()
    assert all((notebooks.ROOT / "notebooks" / name).is_file() for name in notebooks.NOTEBOOKS.values())


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
