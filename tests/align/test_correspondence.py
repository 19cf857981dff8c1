"""Correspondence: planted latents of robots whose motion is known, so that the right answer is."""

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from ate.align import correspondence
from ate.align.evaluate import permutations as nulls
from ate.align.evaluate.correspondence import MOST_CHUNKS, Agreement
from ate.align.motion import GRIP, PATH, PHASE, TURN, Motion, differences, why_no_tool
from ate.data.episodes import Episode, Episodes
from ate.errors import InputError
from ate.robots.kinematic_table import robot as variant_of

from .cartesian import CHUNK, cartesian, goals, planted
from .conftest import robot


def tool(x):
    """Path, yaw and gripper: what a chunk does."""
    return torch.cat([x[:, :, :4] - x[:, :1, :4], x[:, :, 6:]], 2).flatten(1)


@pytest.fixture(scope="module")
def cartesians():
    """Two robots with 20 goals each, and a new one with eight of each robot's goals."""
    one, two = goals(20, 1), goals(20, 2)
    return (cartesian("one", one, 1), cartesian("two", two, 2)), cartesian("new", np.concatenate([one[:8], two[:8]]), 3)


def test_a_latent_that_tells_the_motion_corresponds(cartesians):
    found = correspondence(planted(*cartesians, tool), *cartesians, neighbours=1, permutations=199)
    assert found.code is Agreement.CORRESPONDS and not found.missing
    for measure in (PATH, TURN, GRIP):
        row = found.row(measure)
        # Every new episode has a twin among the old ones.
        assert row["value"] == pytest.approx(0.0, abs=1e-6) and row["share"] == pytest.approx(1.0, abs=1e-4)
        assert row["p_chance"] == row["p_same_episode"] == 1 / 200
    assert found.value(PHASE) > 0.95
    assert found.row(PATH)["p_same_time"] == 1 / 200
    # The gripper closes halfway in every episode: at the same time all do alike.
    assert found.row(GRIP)["p_same_time"] > 0.05
    # A pre-training robot has no twin in the other robot.
    row = found.row(PATH)
    assert row["pretrain_high"] >= row["pretrain"] >= row["pretrain_low"] > row["value"]


@pytest.mark.slow
def test_a_latent_of_something_else_does_not_correspond():
    """Smooth latents that have nothing to do with the motion: overlapping chunks are alike, p-values still hold."""
    p_values = []
    for seed in range(20):
        sets = (cartesian("one", goals(8, 10 + seed), 100 + seed), cartesian("two", goals(8, 50 + seed), 200 + seed))
        adapt = cartesian("new", goals(8, 90 + seed), 300 + seed)
        found = correspondence(planted(sets, adapt, lambda x: x[:, ::7, 5]), sets, adapt, permutations=99)
        p_values.append(found.row(PATH)["p_chance"])
    # 5 % each by chance: five or more of 20 happen once in 400 times.
    assert np.sum(np.array(p_values) <= 0.05) < 5
    assert np.mean(p_values) > 0.3


@pytest.mark.slow
def test_permuted_latents_do_not_correspond(cartesians):
    def noise(x):
        return torch.randn((len(x), 4), generator=torch.Generator().manual_seed(int(1e4 * x.abs().sum())))

    found = correspondence(planted(*cartesians, noise), *cartesians, permutations=199)
    assert found.code is Agreement.NONE
    assert all(row["p_chance"] > 0.05 and abs(row["share"]) < 0.1 for row in found.table)


def test_a_latent_of_time_corresponds_in_time_only(cartesians):
    found = correspondence(planted(*cartesians, lambda x: x[:, ::7, 4]), *cartesians, permutations=199)
    assert found.code is Agreement.IN_TIME_ONLY
    row = found.row(PATH)
    assert row["p_chance"] < 0.02 and row["p_same_time"] > 0.05
    assert found.value(PHASE) > 0.99


def test_dimensions_without_information_count_for_nothing(cartesians):
    def with_dead(x):
        dead = 1e-4 * torch.randn((len(x), 30), generator=torch.Generator().manual_seed(len(x)))
        return torch.cat([tool(x), dead], 1)

    found = correspondence(planted(*cartesians, with_dead), *cartesians, neighbours=1, permutations=9)
    assert found.value(PATH) < 0.01


def test_measures_that_are_not_known_say_why(cartesians):
    (one, two), adapt = cartesians
    blind = cartesian("two", goals(20, 2), 2, ee_pose=0, phase=0)
    found = correspondence(planted((one, blind), adapt, tool), (one, blind), adapt, permutations=9)
    assert found.missing[PATH].startswith("two:") and found.missing[PHASE].startswith("two:")
    assert found.value(PATH) < found.row(PATH)["chance"]
    alone = cartesian("new", goals(4, 3), 3, ee_pose=0)
    found = correspondence(planted((one, two), alone, tool), (one, two), alone, permutations=9)
    assert np.isnan(found.value(PATH)) and PATH in found.missing and np.isfinite(found.value(PHASE))
    none = cartesian("new", goals(4, 3), 3, ee_pose=0, phase=0)
    found = correspondence(planted((one, two), none, tool), (one, two), none, permutations=9)
    assert found.code is Agreement.CANNOT_TELL


def test_one_episode_cannot_tell_time_from_motion(cartesians):
    sets, adapt = cartesians
    found = correspondence(planted(sets, adapt, tool), sets, adapt.select([0]), permutations=99)
    assert found.code is Agreement.CANNOT_TELL and found.row(PATH)["p_same_time"] is None


def test_one_pretraining_robot_has_no_reference_among_others(cartesians):
    (one, _), adapt = cartesians
    found = correspondence(planted((one,), adapt, tool), one, adapt, permutations=9)
    assert found.row(PATH)["pretrain"] is None and found.value(PATH) >= 0


def test_bounded_and_the_same_for_a_seed(cartesians, monkeypatch):
    sets, adapt = cartesians
    monkeypatch.setattr("ate.align.evaluate.correspondence.MOST_CHUNKS", 100)
    compared = []
    monkeypatch.setattr(
        "ate.align.evaluate.correspondence.differences", lambda a, b: compared.append((a, b)) or differences(a, b)
    )
    first = correspondence(planted(sets, adapt, tool), sets, adapt, permutations=9)
    assert MOST_CHUNKS == 2000 and max(len(m) for pair in compared for m in pair) <= 100
    assert first == correspondence(planted(sets, adapt, tool), sets, adapt, permutations=9)
    assert first != correspondence(planted(sets, adapt, tool), sets, adapt, seed=1, permutations=9)


@pytest.mark.parametrize("options", [{"neighbours": 0}, {"permutations": 0}])
def test_nonsense_is_refused(cartesians, options):
    with pytest.raises(InputError, match=next(iter(options))):
        correspondence(planted(*cartesians, tool), *cartesians, **options)


def test_differences_by_hand():
    rows = 4
    path = np.zeros((1, rows, 3))
    moved = path.copy()
    moved[0, :, 0] = [0, 0.1, 0.1, 0.2]
    still = np.tile([0.0, 0, 0, 1], (1, rows, 1))
    turned = still.copy()
    turned[0, 2:] = [0, 0, -np.sin(0.25), -np.cos(0.25)]  # half a radian about z, written with the other sign
    phases = np.array([["reach", "reach", "grasp", "lift"]])
    one = Motion(path, still, np.zeros((1, rows)), phases, np.zeros(1))
    other = Motion(
        moved, turned, np.full((1, rows), 0.5), np.array([["reach", "grasp", "grasp", "grasp"]]), np.zeros(1)
    )
    found = {name: value.item() for name, value in differences(one, other).items()}
    assert found[PHASE] == 0.5
    assert found[PATH] == pytest.approx(np.sqrt(0.06 / 4))
    assert found[TURN] == pytest.approx(0.5 / np.sqrt(2))
    assert found[GRIP] == pytest.approx(0.5)


def test_kinematics_stand_in_for_recorded_poses():
    """The first joint alone turns the tool about the vertical axis of the base, whatever the variant."""
    variant, steps = variant_of("panda"), 12
    qpos = np.tile(np.append(variant.seed, 1.0), (steps, 1)).astype(np.float32)
    qpos[:, 0] = angle = np.linspace(0, 1.1, steps)
    episode = Episode.of("episode_0000", __file__, qpos=qpos)
    panda = Episodes((episode,), "qpos", "panda", variant.joint_names)
    motion = Motion.of(panda, np.array([0]), np.array([0]), steps)
    at = np.round(np.linspace(0, steps - 1, motion.path.shape[1])).astype(int)
    about = np.outer(angle[at], [0, 0, 1])
    np.testing.assert_allclose(Rotation.from_quat(motion.turn[0]).as_rotvec(), about, atol=1e-6)
    # On a circle about the base axis the chord is 2 r sin(θ / 2), and there is no rise.
    chord = np.linalg.norm(motion.path[0], axis=1)
    np.testing.assert_allclose(chord, chord[-1] * np.sin(angle[at] / 2) / np.sin(1.1 / 2), atol=1e-6)
    np.testing.assert_allclose(motion.path[0, :, 2], 0, atol=1e-9)
    assert why_no_tool(robot("seven", 8, 1, 0)) and not why_no_tool(panda)
    degrees = Episodes(
        (Episode(episode.name, episode.path, episode.series, {"units": "deg"}),), "qpos", "panda", variant.joint_names
    )
    assert "deg" in why_no_tool(degrees)
    assert why_no_tool(Episodes((episode,), "qpos", "panda", tuple("abcdefgh")))


def test_path_and_turn_do_not_depend_on_where_the_tool_is():
    far = cartesian("new", goals(1, 3), 3)
    pose = far[0].read("ee_pose").copy()
    pose[:, :3] += [0.4, -0.2, 0.1]
    moved = Episodes((Episode.of("e", far[0].path, qpos=far[0].qpos, ee_pose=pose),), "qpos", "new", far.joint_names)
    one, other = (Motion.of(e, np.array([0, 0]), np.array([0, 9]), CHUNK) for e in (far, moved))
    np.testing.assert_allclose(one.path, other.path, atol=1e-6)
    assert list(one.time) == [0.0, 9 / 16]


def test_nulls_keep_what_they_say():
    group, random = np.repeat([3, 5, 9], [4, 6, 5]), np.random.default_rng(0)
    time = np.concatenate([np.linspace(0, 1, n) for n in (4, 6, 5)])
    for _ in range(20):
        permuted = nulls.chance(group, time)(random)
        for episode in (3, 5, 9):
            # From one episode, and what follows each other still does, or stays where the other one is shorter.
            rows = permuted[group == episode]
            assert len(set(group[rows])) == 1
            size = (group == group[rows[0]]).sum()
            assert set(np.diff(rows) % size) <= {0, 1, 2}
        assert (group[nulls.same_episode(group)(random)] == group).all()
        partner = nulls.same_time(group, time)(random)
        assert np.abs(time[partner] - time).max() <= 1 / 6 + 1e-9
        for episode in (3, 5, 9):
            (other,) = set(group[partner][group == episode])
            own, others = time[group == episode], time[group == other]
            np.testing.assert_allclose(
                np.abs(time[partner][group == episode] - own), np.abs(others[None] - own[:, None]).min(1)
            )
