import warnings

import numpy as np
import pytest
import torch

from ate.data import ActionSpace, chunk, concat, spaces
from ate.data.normalize import Normalizer, fit_rows
from ate.data.space import ConstantMoved
from ate.errors import InputError
from ate.robots import Embodiment, unify


def test_an_episode_of_n_rows_has_n_minus_s_plus_one_chunks(make_set):
    episodes = make_set(episodes=3, steps=30)
    chunks = chunk(episodes, 16)
    assert len(chunks) == sum(n - 15 for n in episodes.lengths)
    at = 0
    for i in range(3):
        for start in range(int(episodes.lengths[i]) - 15):
            expected = episodes[i].qpos[start : start + 16]
            np.testing.assert_array_equal(chunks.gather(torch.tensor([at]))[0].numpy(), expected)
            assert (int(chunks.episode[at]), int(chunks.offset[at])) == (i, start)
            at += 1


def test_short_episodes_have_no_chunk_and_all_short_is_an_error(make_set):
    episodes = make_set(episodes=3, steps=30)  # 30, 31 and 32 rows
    assert len(chunk(episodes, 31)) == 0 + 1 + 2
    with pytest.raises(InputError, match=r"30 to 32 steps.*at most 32"):
        chunk(episodes, 33)


def test_padding_repeats_the_last_row(make_set):
    episodes = make_set(episodes=1, steps=20)
    chunks = chunk(episodes, 8, pad_end=True)
    assert len(chunks) == 20
    last = chunks.gather(torch.tensor([19]))[0].numpy()
    np.testing.assert_array_equal(last, np.repeat(episodes[0].qpos[-1:], 8, 0))


def test_unify_puts_grippers_in_the_last_slot(make_set):
    six, seven = make_set("six", joints=6), make_set("seven", joints=7)
    a, b = unify([six, seven])
    assert a.width == b.width == 8
    assert a.slots == (0, 1, 2, 3, 4, 5, 7) and b.slots == tuple(range(8))
    assert a.slot_names[6] == "-" and a.slot_names[7] == "gripper"
    with pytest.raises(InputError, match="at most 7"):
        unify([seven], width=7)


def test_scatter_then_gather_is_exact_and_checks_widths():
    robot = Embodiment("r", ("a", "b", "c"), (4, 0, 2), 6)
    values = np.random.default_rng(0).normal(size=(5, 2, 3)).astype(np.float32)
    np.testing.assert_array_equal(robot.gather(robot.scatter(values)), values)
    torch.testing.assert_close(robot.scatter(torch.from_numpy(values)).numpy(), robot.scatter(values))
    assert not robot.scatter(values)[..., ~robot.used].any()
    with pytest.raises(InputError, match="2 columns"):
        robot.scatter(values[..., :2])
    with pytest.raises(InputError, match="one slot of its own"):
        Embodiment("r", ("a", "b"), (1, 1), 3)


def test_normaliser_maps_the_range_to_one_and_constants_to_zero():
    rows = np.array([[0.0, 5.0, -2.0], [4.0, 5.0, 2.0]], np.float32)
    normalizer = fit_rows([rows])
    np.testing.assert_array_equal(normalizer.normalize(rows), [[-1, 0, -1], [1, 0, 1]])
    np.testing.assert_array_equal(normalizer.denormalize(normalizer.normalize(rows)), rows)
    # A later deviation of a constant joint is not blown up, and is not invented on the way back.
    assert normalizer.normalize(np.array([1.0, 6.0, 0.0], np.float32))[1] == 0
    assert list(normalizer.constant) == [False, True, False]
    with pytest.raises(InputError, match="low <= high"):
        Normalizer(np.ones(2, np.float32), np.zeros(2, np.float32))


def test_space_masks_missing_and_constant_joints_and_survives_its_tree(make_set):
    six, seven = make_set("six", joints=6), make_set("seven", joints=7)
    space = spaces([six, seven])[0]
    still = six.series(0).copy()
    low = space.normalizer.low.copy()
    low[2] = space.normalizer.high[2]
    frozen = ActionSpace(space.embodiment, Normalizer(low, space.normalizer.high), "qpos")
    assert list(frozen.loss_mask) == [True, True, False, True, True, True, False, True]
    again = ActionSpace.from_tree(frozen.to_tree())
    with pytest.warns(ConstantMoved, match=r"six: joint 'joint3' was constant at .* away"):
        encoded = frozen.encode(still)
    assert not encoded[:, 2].any()
    held = still.copy()
    held[:, 2] = low[2]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(again.encode(held), frozen.encode(held))
    np.testing.assert_allclose(space.decode(space.encode(still)), still, atol=1e-6)


def test_concat_numbers_groups_and_episodes_on(make_set):
    six, seven = make_set("six", joints=6, episodes=2), make_set("seven", joints=7, episodes=3)
    parts = [chunk(s, 16, space) for s, space in zip((six, seven), spaces([six, seven]), strict=True)]
    both = concat(parts)
    assert len(both) == len(parts[0]) + len(parts[1])
    assert set(both.episode.tolist()) == {0, 1, 2, 3, 4} and set(both.group.tolist()) == {0, 1}
    index = torch.tensor([len(parts[0])])
    torch.testing.assert_close(both.gather(index), parts[1].gather(torch.tensor([0])))
    assert not both.mask_of(torch.tensor([0]))[0, 0, 6] and both.mask_of(index)[0, 0, 6]
    with pytest.raises(InputError, match="one width and one length"):
        concat([parts[0], chunk(six, 8, spaces([six, seven])[0])])
