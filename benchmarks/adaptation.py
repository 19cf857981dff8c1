"""Adapting policies that see pictures to a robot that they never saw, by methods (docs/vision.md).

python -m benchmarks.adaptation [--run runs/adaptation] [--task lift place] [--robot ur5e gen3]
    [--demonstrations 0 5 25] [--parameterization sample] [--seeds 6] [--rollouts 100] [--methods …]
    [--encoder FILE] [--camera front wrist]
python -m benchmarks.adaptation --bases [--task …] [--parameterization sample flow_noise_at_1]

Every study is one task, robot and number of demonstrations. Data are drawn and seen once, by the shipped encoder; base
policies are trained once a task; every cell is kept, so that a stopped run goes on with the same command. Methods that
replay episodes of other robots show these robots in the pictures, or, redrawn, the new one. Without demonstrations the
methods are those that need none. `--bases`: the base policies on their own robots alone. `--encoder`, `--camera`:
another encoder than the shipped one, and cameras that are believed; each choice has a folder of seen data.
"""

import argparse
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from statistics import median
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from ate.data.loading import load, load_sets
from ate.experiments.methods import (
    DIRECT,
    GUIDED,
    PLAIN_MOTION,
    RETARGET,
    TOOL_SPACE,
    UNTRAINED,
    controls,
    evidence,
)
from ate.experiments.results import RunResult
from ate.experiments.settings import SHIPPED, settings
from ate.experiments.sight import ENCODER, encoder_in
from ate.experiments.stats.comparisons import Difference, differences, summarise
from ate.experiments.stats.pooling import Pooled, pooled
from ate.experiments.study import Study, prepare
from ate.policies.noise import PARAMETERIZATIONS, in_words
from ate.policies.vision import Eyes
from ate.policies.vision.encoder import CAMERAS
from ate.policies.vision.seen import see, write
from ate.runs.directory import RunDirectory
from ate.runs.tables import signed, table_text
from ate.sim.demos import ADAPT
from ate.steer.retargeting import retarget

# A step of guidance to a step of the same rows without it, of seconds that cells keep (`RunResult.seconds`).
DEARER = 2.8
REDRAWN, LONGER, UNTRANSLATED = ", redrawn", f", {DEARER} times the steps", "untranslated"
KEPT = (DIRECT, RETARGET, GUIDED, TOOL_SPACE, UNTRAINED, PLAIN_MOTION, UNTRANSLATED)
NAMES = (
    *(DIRECT, DIRECT + LONGER, RETARGET, RETARGET + LONGER, RETARGET + REDRAWN, GUIDED, GUIDED + REDRAWN, TOOL_SPACE),
    *(UNTRAINED, PLAIN_MOTION, UNTRANSLATED),
)
# What is asked besides each method against direct.
ASKED = (
    *((GUIDED, other) for other in (DIRECT + LONGER, RETARGET, RETARGET + LONGER, UNTRAINED, PLAIN_MOTION)),
    (RETARGET, UNTRANSLATED), (TOOL_SPACE, GUIDED), (RETARGET + REDRAWN, RETARGET), (GUIDED + REDRAWN, GUIDED),
    (GUIDED + REDRAWN, RETARGET + REDRAWN),
)  # fmt: skip


def seen(run: Path, eyes: Eyes, robot: str) -> tuple[Path, Path, Path]:
    """Folders of the other robots' episodes as they are seen, of the same with the new robot, and of its own."""
    task = eyes.task
    old, new, own = (
        run / "seen" / eyes.digest / name for name in (task, f"{task}-as-{robot}", f"{task}-adapt/{robot}")
    )
    if not own.exists():
        write(see(load(SHIPPED / task / "adapt" / robot), eyes), eyes, own)
    raw = load_sets(SHIPPED / task / "pretrain")
    for episodes in raw:
        if not (old / episodes.robot).exists():
            write(see(episodes, eyes), eyes, old / episodes.robot)
    missing = [episodes for episodes in raw if not (new / episodes.robot).exists()]
    moved = retarget(raw, robot, joint_names=load(own).joint_names) if missing else None
    for episodes in missing:
        write(see(episodes, eyes, moved), eyes, new / episodes.robot)
    return old, new, own


def study_of(run: Path, eyes: Eyes, robot: str, given: Mapping[str, Any]) -> Study:
    """The study of a task and robot; policies that another robot's study has pre-trained are taken from there."""
    task = eyes.task
    folder = run / f"{task}-{robot}"
    RunDirectory(folder).create()
    for other in sorted(run.glob(f"{task}-*/policies")):
        if other.parent != folder:
            shutil.copytree(other, folder / "policies", dirs_exist_ok=True)
    old, _, own = seen(run, eyes, robot)
    return prepare(settings({
        "profile": "vision", "run": str(folder), "pretrain": str(old), "adapt": str(own), "workers": 1,
        "executor": "here", **given,
    }))  # fmt: skip


def compared(study: Study, names: Sequence[str]) -> list[RunResult]:
    """Results of the methods that are asked for."""
    steps, demonstrations = study.settings.steps, study.settings.demonstrations
    known = controls() if demonstrations else evidence(0)
    results = study.compare([method for method in known if method.name in KEPT and method.name in names])
    longer, redrawn = (
        [replace(method, name=method.name + change) for method in known if method.name + change in names]
        for change in (LONGER, REDRAWN)
    )
    if longer and demonstrations:
        more = replace(study, settings=replace(study.settings, steps=round(DEARER * steps)))
        # Their names say how long; what is compared has to be of one length.
        results += [replace(result, steps=steps) for result in more.compare(longer)]
    if redrawn:
        results += replace(study, settings=replace(study.settings, redrawn=True)).compare(redrawn)
    return sorted(results, key=lambda result: NAMES.index(result.method))


def rows(results: Mapping[str, Sequence[RunResult]]) -> list[dict[str, Any]]:
    """A row a study and method; intervals are over seeds and starts, verdicts pay for the study's methods (Holm)."""
    out = []
    for name, own in results.items():
        to_direct = {row.method: row for row in differences(own)}
        for summary in summarise(own):
            row = to_direct.get(summary.method)
            out.append({
                "study": name, "method": summary.method, "success %": f"{100 * summary.rate:.1f}",
                "seeds": " ".join(f"{100 * rate:.0f}" for rate in summary.by_seed),
                "to direct": "" if row is None else points(row),
                "verdict": "" if row is None else str(row.verdict),
                "seconds": f"{median(r.seconds for r in own if r.method == summary.method):.1f}",
            })  # fmt: skip
    return out


def pooled_rows(studies: Mapping[str, Sequence[RunResult]]) -> list[dict[str, Any]]:
    """A row a question over the studies that have both methods; verdicts pay for all questions (Bonferroni)."""
    has = {name: {result.method for result in own} for name, own in studies.items()}
    pairs = [(name, DIRECT) for name in NAMES[1:]] + list(ASKED)
    pairs = [pair for pair in pairs if any(set(pair) <= own for own in has.values())]
    out = []
    for method, baseline in pairs:
        both = {name: own for name, own in studies.items() if {method, baseline} <= has[name]}
        row, strict = (pooled(both, method, baseline, 1 - share) for share in (0.05, 0.05 / len(pairs)))
        out.append({
            "method": method, "against": baseline,
            "points": points(row),
            "studies above": f"{row.better} of {row.studies}", "verdict": str(strict.verdict),
        })  # fmt: skip
    return out


def points(row: Difference | Pooled) -> str:
    """A difference in points of success, with its interval."""
    return f"{signed(100 * row.mean)} ({signed(100 * row.low)} to {signed(100 * row.high)})"


def main() -> None:
    """Measure what is asked for, and print tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--run", type=Path, default=Path("runs/adaptation"))
    parser.add_argument("--task", nargs="+", default=["lift", "place"])
    parser.add_argument("--robot", nargs="+", default=list(ADAPT))
    parser.add_argument("--demonstrations", nargs="+", type=int, default=[0, 5, 25])
    parser.add_argument("--seeds", type=int, default=6)
    parser.add_argument("--rollouts", type=int, default=100)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--pretrain-steps", type=int, default=10_000)
    parser.add_argument("--parameterization", nargs="+", default=["sample"], choices=list(PARAMETERIZATIONS))
    parser.add_argument("--methods", nargs="+", default=list(NAMES), choices=NAMES)
    parser.add_argument("--encoder", type=Path, default=ENCODER)
    parser.add_argument("--camera", nargs="+", default=list(CAMERAS), choices=CAMERAS)
    parser.add_argument("--bases", action="store_true")
    asked = parser.parse_args()
    given = {name: getattr(asked, name) for name in ("seeds", "rollouts", "steps", "pretrain_steps")}
    encoder = encoder_in(asked.encoder)
    regimes = asked.demonstrations[:1] if asked.bases else asked.demonstrations
    for kind, demonstrations in product(asked.parameterization, regimes):
        own = {**given, "demonstrations": demonstrations, "parameterizations": kind}
        studies: dict[str, list[RunResult]] = {}
        for task, robot in product(asked.task, asked.robot[:1] if asked.bases else asked.robot):
            eyes = Eyes(encoder, task, cameras=tuple(asked.camera))
            study = study_of(asked.run.resolve(), eyes, robot, own)
            print("\n".join(f"{task}: {base.sentence}" for base in study.bases()), flush=True)
            if not asked.bases:
                name = f"{task}, {robot}, {demonstrations} demonstrations, {in_words(kind)}"
                studies[name] = compared(study, asked.methods)
                print(table_text(rows({name: studies[name]})), flush=True)
        if studies:
            print(table_text(pooled_rows(studies)), flush=True)


if __name__ == "__main__":
    main()
