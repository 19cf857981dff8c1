"""What the vision policy sees, does and hands over (docs/vision.md). Every cell is kept: a stopped run is continued.

python -m benchmarks.vision locate [--run runs/vision]
python -m benchmarks.vision instructions   [--run runs/vision] [--rollouts 50]
python -m benchmarks.vision ship   [--run runs/vision]
python -m benchmarks.vision adapt  [--run runs/vision] [--task lift] [--robot ur5e gen3] [--seeds 4] [--rollouts 50]

`locate`: millimetres by camera, on episodes and on robots that the encoder never saw. `instructions`: the policy of
`ate vision train` on its own robots and on two others, with right and wrong instructions. `adapt`: five demonstrations
of a new robot, by methods, with the old robots in the replayed pictures and with the new one. `ship`: writes encoder,
policy and card to `data/vision`, the policy in half precision.
"""

import argparse
import os
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from ate.data.loading import load, load_sets
from ate.experiments.methods import DIRECT, GUIDED, RETARGET, TOOL_SPACE, UNTRAINED, MethodSpec, comparison
from ate.experiments.results import RunResult
from ate.experiments.settings import SHIPPED, settings
from ate.experiments.stats.comparisons import wilson
from ate.experiments.study import prepare
from ate.experiments.summary import comparison_sentences, method_rows
from ate.experiments.vision_policy import CARD, ENCODER, POLICY, SEEN, Outcome, roll_vision
from ate.policies.vision import Encoder, Eyes, localisation, moments
from ate.policies.vision.instruction import COLOURS, PARAPHRASE, RIGHT, WRONG_COLOUR, WRONG_TASK
from ate.policies.vision.seen import see, write
from ate.runs import checkpoint
from ate.runs.files import content_key, file_digest, read_json, write_json
from ate.runs.tables import table_text
from ate.sim.demos import ADAPT, PRETRAIN
from ate.sim.tasks import TASKS
from ate.steer.retargeting import retarget

REDRAWN = ", redrawn"


def kept(folder: Path, parts: Any, make: Callable[[], Any]) -> Any:
    """A result, read back where it was measured before."""
    file = folder / "measured" / f"{content_key(parts)[:16]}.json"
    if not file.exists():
        write_json(file, make())
    return read_json(file)


def locate(run: Path, held_out: float, seed: int, every: int = 4) -> list[dict[str, Any]]:
    """A row a task, set and camera."""
    encoder = Encoder.load(run / ENCODER)
    rows = []
    for task in TASKS:
        own = [(s.robot, s.split(held_out, seed)[1]) for s in load_sets(SHIPPED / task / "pretrain")]
        new = [(name, load(SHIPPED / task / "adapt" / name).select(range(15))) for name in ADAPT]
        for name, episodes in (*own, *new):
            eyes = Eyes(encoder, task)

            def measure(eyes: Eyes = eyes, episodes: Any = episodes) -> list[dict[str, Any]]:
                return [vars(error) for error in localisation(eyes, moments(eyes, episodes, every))]

            found = kept(run, ["locate", eyes.digest, task, name, every], measure)
            rows += [
                {"task": task, "robot": name, "seen": "held out" if name in PRETRAIN else "never", **e} for e in found
            ]
    return rows


def located(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Means over robots, by task, camera and whether the robot was ever seen."""
    out = []
    for key in dict.fromkeys((r["task"], r["seen"], r["camera"]) for r in rows):
        part = [r for r in rows if (r["task"], r["seen"], r["camera"]) == key]
        numbers = {name: mean([r[name] for r in part]) for name in ("object", "object_median", "near", "yaw", "goal")}
        named = dict(zip(("task", "robots", "camera"), key, strict=True))
        out.append({**named, **{n: "–" if v is None else f"{v:.1f}" for n, v in numbers.items()}})
    return out


def ship(run: Path) -> None:
    """Replace the shipped encoder, policy and card."""
    target = SHIPPED / "vision"
    target.mkdir(exist_ok=True)
    shutil.copyfile(run / ENCODER, target / ENCODER)
    shutil.copyfile(run / CARD, target / CARD)
    tree = checkpoint.load(run / POLICY)
    tree["weights"] = {name: value.half() for name, value in tree["weights"].items()}
    checkpoint.save(target / POLICY, tree)
    for file in sorted(target.iterdir()):
        file.chmod(0o644)
        print(f"{file.name}: {file.stat().st_size / 1e6:.2f} MB")


def mean(values: Sequence[float | None]) -> float | None:
    """The mean of those that are known; None where none is."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def instructed(
    run: Path, rollouts: int, robots: Iterable[str], kinds: Sequence[str], tasks: Sequence[str]
) -> list[Outcome]:
    """Rollouts of the policy by robot, task and instruction."""
    file, outcomes = run / POLICY, []
    digest = file_digest(file)
    for task in tasks:
        for kind in kinds:
            if kind == WRONG_COLOUR and len(COLOURS[task]) < 2:
                continue
            for robot in robots:

                def measure(robot: str = robot, task: str = task, kind: str = kind) -> dict[str, Any]:
                    return vars(roll_vision(file, robot, task, kind, rollouts))

                tree = kept(run, ["told", digest, robot, task, kind, rollouts], measure)
                outcomes.append(Outcome(robot, task, kind, tree["successes"], rollouts, tree["elsewhere"]))
                print(
                    f"| {task} | {robot} | {kind} | {tree['successes']} of {rollouts} | {tree['elsewhere']} |",
                    flush=True,
                )
    return outcomes


def summed(outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    """Robots together, by task and instruction."""
    rows = []
    for task, kind in dict.fromkeys((o.task, o.instruction) for o in outcomes):
        part = [o for o in outcomes if (o.task, o.instruction) == (task, kind)]
        hits, count = sum(o.successes for o in part), sum(o.rollouts for o in part)
        low, high = wilson(hits, count)
        other = "–" if part[0].elsewhere is None else f"{sum(o.elsewhere or 0 for o in part) / count:.0%}"
        rows.append({"task": task, "instruction": kind, "robots": len(part), "success": f"{hits / count:.1%}",
                     "95 %": f"{low:.0%} to {high:.0%}", "other marker": other})  # fmt: skip
    return rows


def methods() -> tuple[list[MethodSpec], list[MethodSpec]]:
    """Methods with the old robots in the replayed pictures, and those that replay, with the new one."""
    usual = [m for m in comparison() if m.name in (DIRECT, RETARGET, GUIDED, TOOL_SPACE, UNTRAINED)]
    return usual, [replace(m, name=m.name + REDRAWN) for m in usual if m.name in (RETARGET, GUIDED)]


def seen_sets(run: Path, folder: Path, task: str, robot: str) -> tuple[Path, Path]:
    """Pre-training sets that `ate vision train` has seen, and demonstrations in a study's folder."""
    eyes, own = Eyes(Encoder.load(run / ENCODER), task), folder / "seen" / robot
    if not own.exists():
        write(see(load(SHIPPED / task / "adapt" / robot), eyes), eyes, own)
    return run / SEEN / task, own


def redraw(run: Path, old: Path, own: Path, task: str, robot: str) -> None:
    """The same pre-training sets with the new robot in the pictures, beside them."""
    eyes, new = Eyes(Encoder.load(run / ENCODER), task), old.with_name(f"{old.name}-as-{robot}")
    sets = zip(load_sets(SHIPPED / task / "pretrain"), load_sets(old), strict=True)
    raw = [whole.select(range(len(known))) for whole, known in sets]
    missing = [episodes for episodes in raw if not (new / episodes.robot).exists()]
    moved = retarget(raw, robot, joint_names=load(own).joint_names) if missing else None
    for episodes in missing:
        write(see(episodes, eyes, moved), eyes, new / episodes.robot)


def adapt(
    run: Path, task: str, robot: str, seeds: int, rollouts: int, demonstrations: int, steps: int
) -> list[RunResult]:
    """Every method for one robot; policies that another robot's study has pre-trained are taken from there."""
    folder = run / f"{task}-{robot}"
    for other in sorted(run.glob(f"{task}-*/policies")):
        if other.parent != folder:
            shutil.copytree(other, folder / "policies", dirs_exist_ok=True)
    old, own = seen_sets(run, folder, task, robot)
    given = {
        "profile": "vision", "run": str(folder), "pretrain": str(old), "adapt": str(own), "workers": 1,
        "seeds": seeds, "rollouts": rollouts, "demonstrations": demonstrations, "executor": "here",
        "pretrain_steps": steps,
    }  # fmt: skip
    usual, redrawn = methods()
    if not demonstrations:
        usual, redrawn = list(comparison(demonstrations=0)), [redrawn[0]]
    study = prepare(settings(given))
    print("\n".join(base.sentence for base in study.bases()), flush=True)
    results = study.compare(usual)
    redraw(run, old, own, task, robot)
    shown = prepare(settings({**given, "redrawn": True})).compare([usual[0], *redrawn])
    return results + [result for result in shown if result.method != DIRECT]


def main() -> None:
    """Measure what is asked for, and print tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("part", choices=["locate", "instructions", "adapt", "ship"])
    parser.add_argument("--run", type=Path, default=Path("runs/vision"))
    parser.add_argument("--rollouts", type=int, default=50)
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--demonstrations", type=int, default=5)
    parser.add_argument("--steps", type=int, default=settings({"profile": "vision"}).pretrain_steps)
    parser.add_argument("--task", nargs="+", default=None, choices=list(TASKS))
    parser.add_argument("--robot", nargs="+", default=None)
    parser.add_argument("--instruction", nargs="+", default=[RIGHT, PARAPHRASE, WRONG_TASK, WRONG_COLOUR])
    given = parser.parse_args()
    run, tasks = given.run.resolve(), given.task or list(TASKS)
    if given.part == "ship":
        ship(run)
    elif given.part == "locate":
        print(table_text(located(locate(run, 0.1, 0))))
    elif given.part == "instructions":
        own = [name for name in (given.robot or PRETRAIN) if name in PRETRAIN]
        new = [name for name in (given.robot or ADAPT) if name not in PRETRAIN]
        for robots, kinds in ((own, given.instruction), (new, [RIGHT])):
            if robots:
                print(table_text(summed(instructed(run, given.rollouts, robots, kinds, tasks))))
    else:
        for task in given.task or ["lift"]:
            for robot in given.robot or ADAPT:
                results = adapt(run, task, robot, given.seeds, given.rollouts, given.demonstrations, given.steps)
                print(f"\n{task}, {robot}\n{table_text(method_rows(results))}")
                print("\n".join(comparison_sentences(results)), flush=True)


if __name__ == "__main__":
    main()
