from dataclasses import dataclass

import pytest

from ate.experiments.answer import WEAK_BASE, answer_of
from ate.experiments.base_policy import BaseRow, BaseSuccess
from ate.experiments.held_out import joint_error, relative_differences
from ate.experiments.results import RunResult
from ate.experiments.stats.comparisons import Verdict, paired
from tests.experiments.test_comparisons import result


@dataclass(frozen=True)
class Adapted:
    robot: str = "gen3"
    task: str = "lift"


def runs(rates: dict[str, list[float]]) -> list[RunResult]:
    return [result(method, seed, rate / 100) for method, row in rates.items() for seed, rate in enumerate(row)]


CASES = {
    "helps": {"direct": [50, 51, 52, 50], "retarget": [90, 91, 90, 92], "tool space": [52, 50, 51, 50]},
    "hurts": {"direct": [90, 91, 90, 92], "retarget": [50, 51, 52, 50], "tool space": [40, 41, 40, 40]},
    "cannot tell": {"direct": [40, 80, 60, 50], "tool-motion guidance": [80, 50, 60, 70]},
}


@pytest.mark.parametrize("light", CASES)
def test_the_light_is_the_best_methods_and_the_sentence_is_short(light):
    answer = answer_of(runs(CASES[light]), Adapted())
    assert answer.light == light and len(answer.sentence.split()) <= 25 and answer.settle
    best = {"helps": "retarget", "hurts": "retarget", "cannot tell": "tool-motion guidance"}[light]
    assert answer.method == best and answer.to_tree()["light"] == light


def test_a_control_that_rises_is_not_the_answer():
    rates = {"direct": [50] * 4, "retarget": [52, 50, 51, 50], "untranslated": [90, 91, 92, 90]}
    assert answer_of(runs(rates), Adapted()).method == "retarget"


def test_one_seed_cannot_tell_and_a_weak_base_policy_cannot_judge():
    assert answer_of(runs({"direct": [10], "retarget": [99]}), Adapted()).light == Verdict.CANNOT_TELL
    weak = BaseSuccess("sample", "joints", (BaseRow("panda", "lift", 7, 20),))
    answer = answer_of(runs(CASES["helps"]), Adapted(), [weak])
    assert answer.light == Verdict.CANNOT_TELL and answer.doubts == (WEAK_BASE,)


def errors(method: str, seed: int, *episodes: float) -> RunResult:
    by_episode = {"a": episodes, "b": tuple(100 * value for value in episodes)}
    mean = {joint: sum(values) / len(values) for joint, values in by_episode.items()}
    return result(method, seed, 0.5, success=(), closest=(), open_loop=mean, open_loop_episodes=by_episode)


def test_without_a_simulator_the_answer_is_of_held_out_errors_whatever_their_units():
    direct = [errors("direct", s, 1.0 + 0.01 * s, 1.2, 1.1) for s in range(4)]
    better = [errors("retarget", s, 0.8 + 0.02 * s, 0.9, 0.85) for s in range(4)]
    (row,) = relative_differences([*direct, *better])
    assert row.verdict is Verdict.HELPS and row.mean == pytest.approx((0.86 - 1.105) / 1.105, abs=0.01)
    answer = answer_of([*direct, *better], Adapted())
    assert answer.light == "helps" and len(answer.sentence.split()) <= 25
    mixed = [errors("direct", 0, 1.0), errors("direct", 1, 1.0), errors("retarget", 0, 1.1), errors("retarget", 1, 0.9)]
    assert answer_of(mixed, Adapted()).light == "cannot tell"


def test_errors_of_joints_have_intervals_over_seeds_and_episodes():
    own = [errors("direct", s, 1.0 + 0.1 * s) for s in range(4)]
    # One episode: the interval over training seeds alone.
    assert joint_error(own, "b") == pytest.approx(paired([100 * (1.0 + 0.1 * s) for s in range(4)]))
    varied = [errors("direct", s, 0.5 + 0.1 * s, 1.5 + 0.1 * s) for s in range(4)]
    mean, low, high = joint_error(varied, "a")
    assert mean == pytest.approx(1.15) and high - low > joint_error(own, "a")[2] - joint_error(own, "a")[1]
    # Results that were kept without episodes.
    old = [RunResult.from_tree({k: v for k, v in r.to_tree().items() if k != "open_loop_episodes"}) for r in own]
    assert joint_error(old, "a") == joint_error(own, "a")
