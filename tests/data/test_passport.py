from dataclasses import replace

import numpy as np
import pytest

from ate.align import Alignment, fit
from ate.align.config import preset
from ate.data import spaces
from ate.data.passport import Passport
from ate.errors import InputError
from ate.policies import Policy, build
from ate.runs import checkpoint


@pytest.mark.parametrize("change", ["robot", "source", "chunk", "data", "range", "joint"])
def test_every_part_of_a_passport_counts(make_set, change):
    (space,) = spaces([make_set()])
    mine = Passport.of(space, 8)
    high = space.normalizer.high + np.float32(1e-6)
    names = (*space.embodiment.joint_names[:-1], "hand")
    other = {
        "robot": lambda: Passport.of(replace(space, embodiment=replace(space.embodiment, name="brm")), 8),
        "source": lambda: Passport.of(replace(space, source="action"), 8),
        "chunk": lambda: Passport.of(space, 16),
        "data": lambda: Passport.of(replace(space, data="0" * 64), 8),
        "range": lambda: Passport.of(replace(space, normalizer=replace(space.normalizer, high=high)), 8),
        "joint": lambda: Passport.of(replace(space, embodiment=replace(space.embodiment, joint_names=names)), 8),
    }[change]()
    mine.check(Passport.of(space, 8), "the same")
    with pytest.raises(InputError) as error:
        mine.check(other, "another")
    assert mine.hash[:16] in str(error.value) and other.hash[:16] in str(error.value)
    part = {"range": "statistics", "joint": "joints"}.get(change, change)
    assert part in error.value.expected


def test_a_space_knows_its_data(make_set):
    episodes = make_set()
    assert spaces([episodes])[0].data == episodes.digest != episodes.select([0]).digest


def test_checkpoints_with_other_statistics_are_refused(make_set, tmp_path):
    old, new = make_set("old", joints=7, episodes=4), make_set("new", joints=6, episodes=4, seed=1)
    config = preset("smoke").with_options(chunk=8, pretrain_steps=1, adapt_steps=1)
    aligned = fit(old, new, config).save(tmp_path / "align")
    build([old], 8, seed=0, hidden=16).save(tmp_path / "policy.safetensors")
    for file, load, key in (
        (aligned, Alignment.load, "space"),
        (tmp_path / "policy.safetensors", Policy.load, "spaces"),
    ):
        load(file)
        tree = checkpoint.load(file)
        space = tree[key] if key == "space" else tree[key][0]
        stored = tree["passports"][-1]["hash"]
        space["normalizer"]["high"][0] += 0.5
        checkpoint.save(file, tree)
        with pytest.raises(InputError, match=rf"passport {stored[:16]}.*statistics differ") as error:
            load(file)
        assert str(file) in str(error.value)
