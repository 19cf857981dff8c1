"""What the vision policy sees, does and hands over (docs/vision.md). Every cell is kept: a stopped run is continued.

python -m benchmarks.vision locate [--run runs/vision]
python -m benchmarks.vision instructions   [--run runs/vision] [--rollouts 50]
python -m benchmarks.vision ship   [--run runs/vision]

`locate`: millimetres by camera, on episodes and on robots that the encoder never saw. `instructions`: the policy of
`ate vision train` on its own robots and on two others, with right and wrong instructions. `ship`: writes encoder,
policy and card to `data/vision`, the policy in half precision. Adaptation: `benchmarks.adaptation`.
"""

import argparse
import os
import shutil
from collections.abc import Callable, Iterable, Sequence
from itertools import product
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from ate.data.loading import load, load_sets
from ate.experiments.settings import SHIPPED
from ate.experiments.stats.comparisons import wilson
from ate.experiments.vision_policy import CARD, ENCODER, POLICY, Outcome, roll_vision
from ate.policies.vision import Encoder, Eyes, localisation, moments
from ate.policies.vision.instruction import COLOURS, PARAPHRASE, RIGHT, WRONG_COLOUR, WRONG_TASK
from ate.runs import checkpoint
from ate.runs.files import content_key, file_digest, read_json, write_json
from ate.runs.tables import table_text
from ate.sim.demos import ADAPT, PRETRAIN
from ate.sim.tasks import TASKS

# Scenes of training have another seed.
SCATTER = 1


def kept(folder: Path, parts: Any, make: Callable[[], Any]) -> Any:
    """A result, read back where it was measured before."""
    file = folder / "measured" / f"{content_key(parts)[:16]}.json"
    if not file.exists():
        write_json(file, make())
    return read_json(file)


def locate(run: Path, held_out: float, seed: int, every: int = 4) -> list[dict[str, Any]]:
    """A row a task, set, scene and camera; scenes are those of the recordings, and scattered ones."""
    encoder = Encoder.load(run / ENCODER)
    rows = []
    for task in TASKS:
        own = [(s.robot, s.split(held_out, seed)[1]) for s in load_sets(SHIPPED / task / "pretrain")]
        new = [(name, load(SHIPPED / task / "adapt" / name).select(range(15))) for name in ADAPT]
        for (name, episodes), scatter in product((*own, *new), (None, SCATTER)):
            eyes = Eyes(encoder, task)

            def measure(
                eyes: Eyes = eyes, episodes: Any = episodes, seed: int | None = scatter
            ) -> list[dict[str, Any]]:
                return [vars(error) for error in localisation(eyes, moments(eyes, episodes, every, seed))]

            found = kept(run, ["locate", eyes.digest, task, name, every, scatter, "untouched"], measure)
            set_ = {
                "seen": "held out" if name in PRETRAIN else "never",
                "scene": "recorded" if scatter is None else "scattered",
            }
            rows += [{"task": task, "robot": name, **set_, **e} for e in found]
    return rows


def located(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Means over robots, by task, camera, scene and whether the robot was ever seen."""
    out = []
    for key in dict.fromkeys((r["task"], r["seen"], r["scene"], r["camera"]) for r in rows):
        part = [r for r in rows if (r["task"], r["seen"], r["scene"], r["camera"]) == key]
        numbers = {name: mean([r[name] for r in part]) for name in ("object", "object_median", "near", "yaw", "goal")}
        named = dict(zip(("task", "robots", "scene", "camera"), key, strict=True))
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


def main() -> None:
    """Measure what is asked for, and print tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("part", choices=["locate", "instructions", "ship"])
    parser.add_argument("--run", type=Path, default=Path("runs/vision"))
    parser.add_argument("--rollouts", type=int, default=50)
    parser.add_argument("--task", nargs="+", default=None, choices=list(TASKS))
    parser.add_argument("--robot", nargs="+", default=None)
    parser.add_argument("--instruction", nargs="+", default=[RIGHT, PARAPHRASE, WRONG_TASK, WRONG_COLOUR])
    given = parser.parse_args()
    run, tasks = given.run.resolve(), given.task or list(TASKS)
    if given.part == "ship":
        ship(run)
    elif given.part == "locate":
        print(table_text(located(locate(run, 0.1, 0))))
    else:
        own = [name for name in (given.robot or PRETRAIN) if name in PRETRAIN]
        new = [name for name in (given.robot or ADAPT) if name not in PRETRAIN]
        for robots, kinds in ((own, given.instruction), (new, [RIGHT])):
            if robots:
                print(table_text(summed(instructed(run, given.rollouts, robots, kinds, tasks))))


if __name__ == "__main__":
    main()
