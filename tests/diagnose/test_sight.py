"""Does a policy look, and does it listen? Networks that are made to do one of them, both or none."""

import numpy as np
import pytest
import torch

from ate.diagnose import run_checks
from ate.diagnose.sight import LISTENS, LOOKS
from ate.policies import build
from ate.policies.vision.eyes import Eyes
from ate.policies.vision.grounding import Seen
from tests.policies.vision.conftest import TINY, eyes, pair  # noqa: F401 (fixtures)


def redness(self, robot, qpos, pictures, words):
    """An encoder that looks and does not listen: the object is where the picture is red."""
    red = pictures[:, 1, ..., 0].astype(float) - pictures[:, 1, ..., 2]
    at = np.stack([red.mean((1, 2)), red[:, 16:].mean((1, 2)), red[:, :, 16:].mean((1, 2))], -1)
    # Far beyond what the policy's statistics know: all that is left is on which side of the middle it is.
    at -= at.mean(0)
    nothing = np.zeros((len(at), 3))
    spread = dict.fromkeys(("object", "yaw", "goal"), np.ones(len(at)))
    return Seen({"object": at, "yaw": nothing[:, :2], "goal": nothing}, spread)


class Using(torch.nn.Module):
    """Predicts a noise-free chunk that is moved by chosen columns of what is observed."""

    def __init__(self, columns):
        super().__init__()
        self.columns, self.gain = columns, torch.nn.Parameter(torch.tensor(50.0))

    def forward(self, x, t, observation):
        moved = torch.tanh(self.gain * observation[:, self.columns].sum(1))
        return 0.01 * x + moved[:, None, None]


def found(pair, eyes, columns, **options):  # noqa: F811
    policy = build([pair[1]], 8, seed=0, hidden=16)
    policy.eyes, policy.network = eyes, Using(columns)
    return {check.code: check.level for check in run_checks(policy, pair[1], **options).checks}


@pytest.mark.parametrize(
    ("columns", "levels"),
    [([], ("FAIL", "WARN")), ("words", ("FAIL", "PASS")), ("object", ("PASS", "WARN"))],
)
def test_what_a_policy_does_not_use_is_reported(pair, eyes, columns, levels, monkeypatch):  # noqa: F811
    monkeypatch.setattr(Eyes, "look", redness)
    width = 2 * build([pair[1]], 8, seed=0, hidden=16).config.features
    chosen = {"words": list(range(width + 20, width + 20 + TINY.words)), "object": [width + 9, width + 10]}
    given = found(pair, eyes, chosen.get(columns, columns) if isinstance(columns, str) else columns)
    assert (given[LOOKS], given[LISTENS]) == levels


def test_after_few_steps_it_is_not_judged(pair, eyes, monkeypatch):  # noqa: F811
    monkeypatch.setattr(Eyes, "look", redness)
    given = found(pair, eyes, [], steps=20)
    assert (given[LOOKS], given[LISTENS]) == ("SKIPPED", "SKIPPED")


def test_a_policy_on_a_state_has_eight_checks(pair):  # noqa: F811
    policy = build([pair[0]], 8, seed=0, hidden=16)
    assert LOOKS not in {check.code for check in run_checks(policy, pair[0], simulator=False).checks}
