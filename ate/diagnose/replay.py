"""Replay: do the recorded actions do the task again? What cannot be replayed cannot be imitated.

Where the files name a robot, a task and seeds of `ate.sim`, the series that the policy learns from is sent open loop
from the recorded start. Elsewhere recorded positions have to reach the recorded commands (the doctor's *relation* and
*lag*).
"""

from importlib.util import find_spec

from ate.data.doctor.examination import examine
from ate.data.doctor.report import FAIL, LEVELS, PASS, SKIPPED, WARN, Finding
from ate.data.episodes import Episodes
from ate.experiments.seed_run import simulated
from ate.experiments.stats.comparisons import wilson

NAME = "replay"
# Imitation hardly beats what it imitates, so this share bounds success: a tenth lost is worth a look, half is no data.
GOOD, POOR = 0.9, 0.5


def check(episodes: Episodes, simulator: bool | None) -> Finding:
    """Rung: replay in the simulator, or tracking of the recorded commands where there is none.

    Args:
        episodes: what the policy was trained on.
        simulator: True or False to insist; None to take it where robot, task and seeds are known and MuJoCo is there.

    Raises:
        InputError: `simulator` is True and a name is unknown or MuJoCo is missing.
    """
    seeds = [int(item.attributes["seed"]) for item in episodes if "seed" in item.attributes]
    known = simulated(episodes) and len(seeds) == len(episodes)
    if simulator or (simulator is None and known and find_spec("mujoco") is not None):
        if known:
            return _replayed(episodes, seeds)
        why = "seeds are not recorded" if simulated(episodes) else "robot or task are none of the simulator's"
        return _tracked(episodes, f"not replayed, {why}")
    return _tracked(episodes, "no simulator for these recordings")


def _replayed(episodes: Episodes, seeds: list[int]) -> Finding:
    from ate.sim.demos import Demo, replay

    measured = episodes.source == "qpos"
    demos = [
        Demo(seed, True, item.qpos, episodes.series(i), item.qpos[:, :0], item.qpos[:, 0].astype("i1"))
        for i, (seed, item) in enumerate(zip(seeds, episodes, strict=True))
    ]
    assert episodes.task is not None
    won = replay(episodes.robot, episodes.task, demos, measured, threads=1)
    share, (low, high) = won / len(demos), wilson(won, len(demos))
    level = FAIL if share < POOR else WARN if share < GOOD else PASS
    series = "measured positions" if measured else "commands"
    return Finding(
        level, NAME, episodes.robot,
        f"{won} of {len(demos)} episodes succeed again when their {series} are sent ({100 * share:.0f} %, 95 % "
        f"interval {100 * low:.0f} to {100 * high:.0f} %)",
        f"{100 * GOOD:.0f} % or more, in the simulator; imitation hardly beats what it imitates",
        "" if level == PASS else "run ate doctor on the recordings: units, joint order, gripper; or learn from the "
        "other series (source qpos or action)",
    )  # fmt: skip


def _tracked(episodes: Episodes, why: str) -> Finding:
    """The doctor's findings on commands against measurements, as one."""
    if not (episodes.has("action") and episodes.has("qpos")):
        return Finding(
            SKIPPED, NAME, episodes.robot, f"{why}, and no commands beside the positions to compare", "",
            "record commands as well, or replay one episode on the robot, slowly",
        )  # fmt: skip
    report = examine(episodes)
    findings = [*report.of("relation"), *report.of("lag")]
    level = max((finding.level for finding in findings), key=LEVELS.index, default=SKIPPED)
    worst = [finding for finding in findings if finding.level == level]
    if level == PASS:
        worst = [finding for finding in worst if finding.check == "lag"] or worst[:1]
    said = "; ".join(f"{finding.subject}: {finding.got}" for finding in worst)
    fix = next((finding.fix for finding in worst if finding.fix), "")
    expected = next((finding.expected for finding in worst if finding.expected), "positions that follow the commands")
    return Finding(level, NAME, episodes.robot, f"{why}; {said}", f"{expected} (ate doctor)", fix)
