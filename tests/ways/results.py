"""Ways out of results, winners and model cards."""

import json
from dataclasses import replace

from ate.cli.compare import sweep
from ate.experiments import MethodSpec
from ate.experiments.lerobot_runs import read, successes
from ate.experiments.model_card import Model
from ate.experiments.stats.comparisons import differences
from ate.experiments.stats.pairing import outcomes
from ate.experiments.stats.selection import searched, validation
from ate.experiments.store import Cell, SeedJob, Store, cells_of
from ate.experiments.winner import winner
from ate.experiments.winner_file import read_winner
from ate.steer import GuidanceConfig
from tests.experiments import test_lerobot_runs
from tests.experiments.test_comparisons import result
from tests.experiments.test_model_card import Hub
from tests.ways.studies import _experiment
from tests.ways.taking import way
from tests.ways.worlds import world


@way("experiments/lerobot_runs.py read", "experiments/lerobot_runs.py read#2", "experiments/lerobot_runs.py successes")
def _(p):
    run = test_lerobot_runs.write(p.path / "run", 0, 1, [1, 0, 1, 1])
    if p.site.endswith("#2"):
        (run / "eval_info.json").unlink()
        option, file = yield lambda: read(run), r"or ate rollout (--json) (\S+)$"
        _rolled_out(p, option, file)
    elif p.site.endswith("successes"):
        file = run / "eval_info.json"
        whole = file.read_text()
        file.write_text("{}")
        option = yield lambda: successes(file), r"with ate rollout (--json)"
        _rolled_out(p, option, file)
        assert len(successes(file)) == 2
        file.write_text(whole)
    else:
        yield lambda: read(p.path / "nowhere"), "the folder that lerobot-train got as output_dir"
    read(run)


def _rolled_out(p, option, file):
    """Two rollouts of a step, written to the file."""
    words = ["--policy", world().folder / "policy.safetensors", "--robot", "panda", "--task", "lift", "--rollouts", 2]
    p.ate("rollout", *words, option, file)


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
    (cell,) = cells_of(_experiment(), [MethodSpec("direct")], [0])
    write_json(store.file(cell), result("direct", 0, 0.5).to_tree())
    yield lambda: store.read(cell), "remove the file; the cell is then trained again"
    store.file(cell).unlink()
    SeedJob(_experiment(), (cell,), str(p.path))()
    assert store.read(cell).cell == cell.key


@way("experiments/store.py Store.check_apart")
def _(p):
    made, store = result("direct", 0, 0.5), Store(p.path)
    cell = Cell(made.spec, 0, "k" * 64)
    store.write(cell.otherwise, made)
    option = yield lambda: store.check_apart([cell]), r"another folder: (--run)$"
    assert option in {name for item in sweep.params for name in item.opts}
    Store(p.path / "other").check_apart([cell])


@way("experiments/winner_file.py read_winner", "experiments/winner_file.py read_winner#2",
     "experiments/winner_file.py read_winner#3", "experiments/winner_file.py read_winner#4")  # fmt: skip
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
