"""Across tasks: a robot with demonstrations of Lift alone does Place and Push by the other robots' episodes of them.

python -m benchmarks.cross_task --run runs/cross --policies runs/base/policies

Each study pre-trains on the other robots' episodes of the second task, fine-tunes with the new robot's demonstrations
of Lift, and rolls the second task out: direct, retargeting and tool space, 8 training seeds of 100 rollouts. A stopped
run is continued.
"""

import argparse
from itertools import product
from pathlib import Path

from ate.experiments.methods import DIRECT, RETARGET, TOOL_SPACE
from ate.experiments.settings import settings
from ate.experiments.study import prepare
from ate.experiments.summary import comparison_sentences, method_rows
from ate.runs.tables import table_text

# Of Place and Push, as in `make evidence`, so that its pre-trained policies serve.
PRETRAIN_STEPS = 18_000
METHODS = (DIRECT, RETARGET, TOOL_SPACE)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, default=Path("runs/cross"))
    parser.add_argument("--policies", type=Path, help="pre-trained policies to take, of another run")
    parser.add_argument("--task", nargs="+", default=["place", "push"])
    parser.add_argument("--robot", nargs="+", default=["gen3", "ur5e"])
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--rollouts", type=int, default=100)
    given = parser.parse_args()
    for task, robot in product(given.task, given.robot):
        folder = given.run / f"{task}-{robot}"
        if given.policies and not (folder / "policies").exists():
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "policies").symlink_to(given.policies.resolve())
        chosen = settings(
            {
                "profile": "demo", "run": str(folder), "pretrain": f"data/{task}/pretrain",
                "adapt": f"data/lift/adapt/{robot}", "task": task, "demonstrations": 25, "seeds": given.seeds,
                "rollouts": given.rollouts, "pretrain_steps": PRETRAIN_STEPS,
            }
        )  # fmt: skip
        study = prepare(chosen)
        results = study.compare([method for method in study.methods() if method.name in METHODS])
        print(f"\n{task} on {robot}, {results[0].demonstrations} demonstrations of lift and none of {task}")
        print(table_text(method_rows(results)), *comparison_sentences(results), sep="\n", flush=True)


if __name__ == "__main__":
    main()
