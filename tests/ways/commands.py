"""Ways out of the command line."""

import sys

import pytest

from ate.experiments.methods import EVIDENCE, evidence
from ate.runs.directory import RunDirectory
from ate.runs.files import write_json
from ate.runs.status import Stopped
from tests.experiments.test_evidence import keep, result
from tests.runs.test_tracking import Recorder
from tests.ways.taking import way
from tests.ways.worlds import world


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


@way("cli/evidence.py _kept_regimes", "experiments/kept_studies.py _to_control")
def _(p):
    for name in ("lift-gen3", "lift-ur5e"):
        keep(p.path / name, [result(m.name, s, 0.5) for m in evidence() for s in range(3)])
    first, second, file = p.path / "lift-gen3", p.path / "lift-ur5e", p.path / "kept.json"
    p.ate("evidence", first, "--json", file)
    if "_kept_regimes" in p.site:
        write_json(p.path / "other.json", {"rate": 0.5})
        yield lambda: p.ate("evidence", second, "--kept", p.path / "other.json"), "give that file"
        p.ate("evidence", first, "--kept", file)
        return
    yield lambda: p.ate("evidence", second, "--kept", file), "give the runs of all studies that have it, or leave out"
    p.ate("evidence", first, second, "--kept", file)
    p.ate("evidence", second)


@way("cli/identify.py identify", "cli/robot.py robot")
def _(p):
    name, suffix = ("identify", "json") if "identify" in p.site else ("robot", "html")
    from tests.robots.arms import exported
    from tests.ways.tools import posed

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
        assert w.motion  # made when it is asked for
        option = yield (
            lambda: p.ate(*words, *tool, w.folder / "motion"),
            r"give (--pretrain) FOLDER, or guide at the demonstrations",
        )
        p.ate(*words, *tool, w.folder / "motion", option, w.folder / "panda")
        p.ate(*words[:-1], p.path / "demonstrations", "--alignment", w.folder / "align")
