"""Replay: do the recorded actions do the task again? What cannot be replayed cannot be imitated.

Where the files name a robot, a task and seeds of `ate.sim`, or seeds of a simulator of the user's own, the series that
the policy learns from is sent open loop from the recorded start. Elsewhere recorded positions have to reach the
recorded commands (the doctor's *relation* and *lag*).
"""

from importlib.util import find_spec

import numpy as np

from ate.data.doctor.examination import examine
from ate.data.doctor.finding import LEVELS, PASS, SKIPPED, Finding
from ate.data.episodes import Episodes
from ate.diagnose.report import GOOD, level_of, share_text
from ate.experiments.seed_run import simulated

NAME = "replay"


def check(episodes: Episodes, simulator: bool | str | None) -> Finding:
    """Replay in the simulator, or tracking of the recorded commands where there is none.

    Args:
        episodes: what the policy was trained on.
        simulator: whether to simulate; None does so where robot, task and seeds are known and MuJoCo is installed. The
            address of a gymnasium environment simulates there where seeds are recorded.

    Raises:
        InputError: `simulator` is True and MuJoCo is missing, or what the environment of the address raises.
    """
    address = simulator if isinstance(simulator, str) else ""
    seeds = [int(item.attributes["seed"]) for item in episodes if "seed" in item.attributes]
    known = simulated(episodes, address) and len(seeds) == len(episodes)
    if known and address:
        return _judged(episodes, _sent(address, episodes, seeds))
    if not simulator and (simulator is False or not known or find_spec("mujoco") is None):
        return _tracked(episodes, "not replayed in the simulator")
    if not known:
        why = "seeds are not recorded" if simulated(episodes, address) else "the simulator has no such robot or task"
        return _tracked(episodes, f"not replayed, {why}")
    return _replayed(episodes, seeds)


def _replayed(episodes: Episodes, seeds: list[int]) -> Finding:
    from ate.sim.demos import Demo, replay

    measured = episodes.source == "qpos"
    demos = [
        Demo(seed, True, item.qpos, episodes.series(i), item.qpos[:, :0], item.qpos[:, 0].astype("i1"))
        for i, (seed, item) in enumerate(zip(seeds, episodes, strict=True))
    ]
    assert episodes.task is not None
    return _judged(episodes, replay(episodes.robot, episodes.task, demos, measured, threads=1))


def _sent(address: str, episodes: Episodes, seeds: list[int]) -> int:
    """Episodes that succeed when their series is sent again to a gymnasium environment from its seed."""
    from ate.sim.simulator import simulator

    # What was measured in a row is what the row before it led to.
    ahead = 1 if episodes.source == "qpos" else 0
    rows = [episodes.series(i) for i in range(len(episodes))]
    with simulator(episodes.robot, address).start(seeds) as batch:
        for step in range(max(map(len, rows))):
            batch.step(np.stack([row[min(step + ahead, len(row) - 1)] for row in rows]))
        return int(batch.success.sum())


def _judged(episodes: Episodes, successes: int) -> Finding:
    measured = episodes.source == "qpos"
    level, sent = level_of(successes / len(episodes)), "measured positions" if measured else "commands"
    got = f"{share_text(successes, len(episodes))} of the episodes succeed when their {sent} are sent again"
    expected = f"{100 * GOOD:.0f} % or more, in the simulator; imitation is hardly better than its demonstrations"
    fix = "run ate doctor on the recordings: units, joint order, gripper; or learn from the other series "
    fix += "(source qpos or action)"
    return Finding(level, NAME, episodes.robot, got, expected, "" if level == PASS else fix)


def _tracked(episodes: Episodes, why: str) -> Finding:
    """The doctor's findings on commands against measurements, as one."""
    if not (episodes.has("action") and episodes.has("qpos")):
        got = f"{why}, and there are no commands to compare with the positions"
        fix = "record commands as well, or replay one episode on the robot, slowly"
        return Finding(SKIPPED, NAME, episodes.robot, got, "", fix)
    report = examine(episodes)
    findings = [*report.of("relation"), *report.of("lag")]
    level = max((finding.level for finding in findings), key=LEVELS.index, default=SKIPPED)
    worst = [finding for finding in findings if finding.level == level]
    if level == PASS:
        worst = [finding for finding in worst if finding.check == "lag"] or worst[:1]
    got = "; ".join(f"{finding.subject}: {finding.got}" for finding in worst)
    fix = next((finding.fix for finding in worst if finding.fix), "")
    expected = next((finding.expected for finding in worst if finding.expected), "positions that follow the commands")
    return Finding(level, NAME, episodes.robot, f"{why}; {got}", f"{expected} (ate doctor)", fix)
