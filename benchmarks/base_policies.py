"""Base policies on their own robots, and what each part of them is worth: `make base`.

Every policy of the demo set is pre-trained once for each task and rolled out from the same seeds on the robots it was
trained on; one that acts in tool motion also on two that it never saw, without a training step. Results are kept in
the run directory: a stopped run is continued.

python -m benchmarks.base_policies [--run DIR] [--task T …] [--space joints|tool …] [--parameterization P …]
                                   [--rollouts N] [--ablate] [--steps N]
"""

import argparse
import os
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch

from ate.data.episodes import Episodes
from ate.data.loading import DataSet
from ate.data.tool_space import ToolSpace
from ate.experiments.base_policy import EXECUTE, BaseRow
from ate.experiments.preparation import pretrain_policy
from ate.experiments.settings import SHIPPED, Settings, settings
from ate.policies import Policy
from ate.robots.frames import Placement
from ate.runs.files import content_key, read_json, write_json
from ate.sim.rollout import rollout
from ate.sim.tasks import TASKS

NEW = ("ur5e", "gen3")
# One lever each, taken away from what is usual.
LEVERS: dict[str, dict[str, Any]] = {
    "all": {},
    "no preconditioning": {"anchor": "none"},
    "relative to the posture": {"anchor": "qpos"},
    "no FiLM": {"film": False},
    "no fine features": {"fine": False},
    "no joint noise": {"joint_noise": 0.0},
    "robot not named": {"named": False},
}


@dataclass(frozen=True)
class Case:
    """One policy: where it acts, what it predicts, what is different about it."""

    task: str
    space: str
    parameterization: str
    lever: str = "all"


def measured(case: Case, usual: Settings, rollouts: int) -> dict[str, Any]:
    """CPU seconds of pre-training, and successes by robot; read back where they were measured before."""
    kept = usual.directory / "base" / f"{content_key([case, rollouts, usual.pretrain_steps, usual.seed])[:12]}.json"
    if kept.exists():
        return read_json(kept)
    torch.set_num_threads(1)
    sets = DataSet(str(SHIPPED / case.task / "pretrain"), "qpos").load_sets(True)
    placements = [Placement.of(s.robot) for s in sets] if case.space == "tool" else []
    began, now = time.process_time(), time.time()
    file = pretrain_policy(usual, sets, 8, case.parameterization, placements, LEVERS[case.lever])
    # One that an earlier run pre-trained tells nothing of what that took.
    seconds = round(time.process_time() - began) if file.stat().st_mtime >= now else None
    policy = Policy.load(file)
    rows = [own(policy.moved_to(space), s, rollouts) for s, space in zip(sets, policy.spaces, strict=True)]
    if isinstance(policy.spaces[0], ToolSpace):
        for name in NEW:
            new = DataSet(str(SHIPPED / case.task / "adapt" / name), "qpos").load(True)
            rows.append(own(policy.moved_to(policy.spaces[0].of_robot(new, Placement.of(name))), new, rollouts))
    found = {**vars(case), "seconds": seconds, "rows": [vars(row) for row in rows]}
    write_json(kept, found)
    return found


def own(policy: Policy, episodes: Episodes, rollouts: int) -> BaseRow:
    """Rollouts of a policy on one robot."""
    generator = torch.Generator().manual_seed(0)
    outcome = rollout(
        lambda qpos, state: policy.act(qpos, state, generator), episodes.robot, episodes.task, range(rollouts),
        execute=EXECUTE, threads=1,
    )  # fmt: skip
    return BaseRow(episodes.robot, episodes.task, int(outcome.success.sum()), rollouts)


def line(found: dict[str, Any]) -> str:
    """A row of the table, in Markdown."""
    rows = [BaseRow(**row) for row in found["rows"]]
    trained = [row for row in rows if row.robot not in NEW]
    total = BaseRow("all", found["task"], sum(r.successes for r in trained), sum(r.rollouts for r in trained))
    low, high = total.interval
    robots = ", ".join(f"{row.robot} {row.rate:.0%}" for row in rows)
    seconds = found["seconds"] or "kept"
    name = f"{found['task']} | {found['space']} | {found['parameterization']} | {found['lever']}"
    return f"| {name} | {total.rate:.1%} ({low:.0%} to {high:.0%}) | {robots} | {seconds} |"


def main() -> None:
    """Measure what is asked for, and print the table as it grows."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--run", default="runs/base")
    parser.add_argument("--task", nargs="+", default=list(TASKS), choices=list(TASKS))
    parser.add_argument("--space", nargs="+", default=["joints", "tool"], choices=["joints", "tool"])
    parser.add_argument("--parameterization", nargs="+", default=["sample", "flow_noise_at_1"])
    parser.add_argument("--rollouts", type=int, default=100)
    parser.add_argument("--steps", type=int, default=settings({"profile": "demo"}).pretrain_steps)
    parser.add_argument("--ablate", action="store_true", help="take one lever away at a time")
    given = parser.parse_args()
    usual = replace(settings({"profile": "demo"}), run=str(Path(given.run).resolve()), pretrain_steps=given.steps)
    print(
        "| task | acts in | predicts | levers | own robots (95 %) | by robot | CPU s |\n|---|---|---|---|---|---|---|"
    )
    for space in given.space:
        for task in given.task:
            for name in given.parameterization:
                for lever in LEVERS if given.ablate else ("all",):
                    print(line(measured(Case(task, space, name, lever), usual, given.rollouts)), flush=True)


if __name__ == "__main__":
    main()
