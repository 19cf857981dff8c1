"""Base policy: how often a pre-trained policy does the task on the robots that it was trained on.

What a new robot gains from a policy can't be judged with one that fails on its own robots: whether there was nothing to
hand over or the method lost it looks the same. A study therefore rolls its base policies out first, and says that it
can't judge where they succeed in fewer than 80 % of the episodes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from ate.data.episodes import Episodes
from ate.data.tool_space import ToolSpace
from ate.experiments.seed_run import simulated
from ate.experiments.stats.comparisons import wilson
from ate.policies.noise import in_words
from ate.policies.policy import Policy
from ate.runs.device import one_thread
from ate.runs.files import read_json, write_json
from ate.runs.lock import lock

ENOUGH = 0.8
"""Share of episodes in which a base policy has to succeed, over all of its robots."""
# A robot; five of them tell 80 % from 70 %, and take seconds.
ROLLOUTS = 20
EXECUTE = 8


@dataclass(frozen=True)
class BaseRow:
    """One robot that the policy was pre-trained on.

    Attributes:
        robot, task: names.
        successes: rollouts that succeeded.
        rollouts: all of them.
    """

    robot: str
    task: str
    successes: int
    rollouts: int

    @property
    def rate(self) -> float:
        """Share that succeeded."""
        return self.successes / self.rollouts

    @property
    def interval(self) -> tuple[float, float]:
        """95 % Wilson interval of the share."""
        return wilson(self.successes, self.rollouts)


@dataclass(frozen=True)
class BaseSuccess:
    """A base policy on its own robots.

    Attributes:
        parameterization: what the policy predicts.
        space: what it acts in, `"joints"` or `"tool"` space.
        rows: one a robot.
    """

    parameterization: str
    space: str
    rows: tuple[BaseRow, ...]

    @property
    def total(self) -> BaseRow:
        """All robots together."""
        successes, rollouts = (sum(getattr(row, name) for row in self.rows) for name in ("successes", "rollouts"))
        return BaseRow("all", self.rows[0].task, successes, rollouts)

    @property
    def judges(self) -> bool:
        """Whether transfer can be judged with this policy."""
        return self.total.rate >= ENOUGH

    @property
    def name(self) -> str:
        """Which policy it is, in words: `"flow, in tool space"`."""
        return f"{in_words(self.parameterization)}, in {'tool space' if self.space == 'tool' else self.space}"

    @property
    def sentence(self) -> str:
        """The verdict in a sentence, with the interval and the weakest robot."""
        low, high = self.total.interval
        weakest, best = (pick(self.rows, key=lambda row: row.rate) for pick in (min, max))
        least = f", least on {weakest.robot}, {weakest.rate:.0%}" if weakest.rate < best.rate else ""
        finding = (
            f"the base policy ({self.name}) succeeds in {self.total.rate:.0%} ({low:.0%} to {high:.0%}) of "
            f"{self.total.rollouts} episodes of {self.total.task} on its own robots{least}"
        )
        if self.judges:
            return f"{finding[0].upper()}{finding[1:]}."
        return f"Cannot judge: {finding}; {ENOUGH:.0%} are needed, or nothing can be said of what it hands over."

    def to_tree(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_tree(cls, tree: Mapping[str, Any]) -> "BaseSuccess":
        """The inverse of `to_tree`."""
        return cls(tree["parameterization"], tree["space"], tuple(BaseRow(**row) for row in tree["rows"]))


def base_success(file: Path, sets: Sequence[Episodes], rollouts: int = ROLLOUTS) -> BaseSuccess | None:
    """A pre-trained policy on its own robots; kept beside its checkpoint and read back from there.

    Args:
        file: checkpoint of the policy (`ate.experiments.preparation.pretrain_policy`).
        sets: the pre-training robots, in the order of the policy's action spaces.
        rollouts: a robot, from seeds 0 on; kept results of another number are not used.

    Returns:
        None where the simulator knows none of the robots, or not their task.
    """
    known = [i for i, episodes in enumerate(sets) if simulated(episodes)]
    if not known:
        return None
    kept = success_file(file, rollouts)
    with lock(file.parent, "rolling out the base policy"):
        if not kept.exists():
            policy = Policy.load(file)
            rows = tuple(_row(policy, i, sets[i], rollouts) for i in known)
            space = "tool" if isinstance(policy.spaces[0], ToolSpace) else "joints"
            write_json(kept, BaseSuccess(policy.config.parameterization, space, rows).to_tree())
    return BaseSuccess.from_tree(read_json(kept))


def success_file(file: Path, rollouts: int = ROLLOUTS) -> Path:
    """Where `base_success` of a checkpoint is kept."""
    return file.with_name(f"own_success_{rollouts}.json")


@one_thread()
def _row(policy: Policy, index: int, episodes: Episodes, rollouts: int) -> BaseRow:
    # Imported here: data without a simulator need no mujoco.
    from ate.sim.rollout import rollout

    own, generator = policy.moved_to(policy.spaces[index]), torch.Generator().manual_seed(0)
    outcome = rollout(
        own.acting(generator), episodes.robot, episodes.task or "", range(rollouts),
        execute=min(EXECUTE, policy.config.horizon), threads=1,
    )  # fmt: skip
    return BaseRow(episodes.robot, episodes.task or "", int(outcome.success.sum()), rollouts)
