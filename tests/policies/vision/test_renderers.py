"""Renderers that are kept: pictures do not depend on which others were drawn before, kept or closed."""

import numpy as np

from ate.policies.vision import renderers
from ate.policies.vision.renderers import renderer_of

from .conftest import started


def test_closing_one_renderer_leaves_the_others_as_they_are(monkeypatch):
    monkeypatch.setattr(renderers, "_thread", renderers.threading.local())
    monkeypatch.setattr(renderers, "MOST", 2)
    qpos, state = started("panda", "push", 2)
    first = renderer_of("panda", "push", ("front",), 32).frames(qpos, state)["front"]
    kept = renderer_of("panda", "push", ("front",), 32)
    renderer_of("ur5e", "lift", ("wrist",), 32)
    assert renderer_of("panda", "push", ("front",), 32) is kept
    # The third one closes that of lift.
    other = renderer_of("gen3", "place", ("front",), 32)
    np.testing.assert_array_equal(kept.frames(qpos, state)["front"], first)
    assert not np.array_equal(other.frames(*started("gen3", "place", 2))["front"], first) and first.std() > 10
