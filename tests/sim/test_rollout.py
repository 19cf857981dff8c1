"""Environments and rollouts: determinism, independence of batch and threads, criteria, refusals."""

import numpy as np
import pytest

pytest.importorskip("mujoco", reason="the simulator is an extra")

from ate.errors import InputError
from ate.robots.chain import home, pose
from ate.robots.kinematic_table import robot
from ate.sim.demos import demonstrate
from ate.sim.environments import Environments
from ate.sim.rollout import rollout, rollout_many
from ate.sim.tasks import STATE_NAMES, TASKS, start, succeeded, task


def stay(qpos, state):
    """Do nothing: command where the arm is."""
    return np.repeat(qpos[:, None], 8, axis=1)


class Player:
    """Open-loop playback of demonstrations, chunk by chunk."""

    def __init__(self, demos, execute):
        self.series = [d.action for d in demos]
        self.execute, self.now = execute, 0

    def __call__(self, qpos, state):
        rows = np.arange(self.now, self.now + 16)
        self.now += self.execute
        return np.stack([s[np.minimum(rows, len(s) - 1)] for s in self.series])


@pytest.mark.parametrize("what", TASKS)
def test_doing_nothing_never_succeeds(what):
    result = rollout(stay, "ur5e", what, range(8))
    assert not result.success.any() and np.all(result.steps == TASKS[what].steps)
    assert np.all(result.closest > 0.1)


@pytest.mark.parametrize("execute", [1, 8])
def test_playing_commands_back_succeeds(execute):
    demos = demonstrate("panda", "lift", range(4))
    result = rollout(Player(demos, execute), "panda", "lift", range(4), execute=execute)
    assert result.success.all() and result.rate == 1.0
    assert [len(d.action) for d in demos] == [s + 4 for s in result.steps]
    assert np.all(result.closest < 0.02)


@pytest.mark.slow
def test_results_do_not_depend_on_batch_or_threads():
    demos = demonstrate("ur5e", "push", range(6))
    runs = [rollout(Player(demos, 8), "ur5e", "push", range(6), threads=threads, record=True) for threads in (1, 2, 3)]
    for other in runs[1:]:
        assert np.array_equal(other.tracks.qpos, runs[0].tracks.qpos)
        assert np.array_equal(other.closest, runs[0].closest) and np.array_equal(other.steps, runs[0].steps)
    for i in (0, 5):
        alone = rollout(Player(demos[i : i + 1], 8), "ur5e", "push", [i], record=True)
        rows = alone.tracks.qpos.shape[1]
        assert np.allclose(alone.tracks.qpos[0], runs[0].tracks.qpos[i, :rows], atol=1e-7)
        assert np.allclose(alone.tracks.object[0], runs[0].tracks.object[i, :rows], atol=1e-7)
        assert alone.steps[0] == runs[0].steps[i]


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.slow
def test_policies_together_are_the_policies_alone(threads):
    """One that succeeds early, one that never does, one whose chunks are longer; and each draws its own noise."""
    demos = demonstrate("panda", "lift", range(3))

    def noisy(seed):
        rng = np.random.default_rng(seed)
        return lambda qpos, state: stay(qpos, state) + rng.normal(0, 0.02, (len(qpos), 8, qpos.shape[1]))

    def policies():
        return [Player(demos, 6), noisy(1), noisy(2), Player(demos[::-1], 6)]

    options = {"seeds": range(3), "execute": 6, "horizon_steps": 100, "record": True, "threads": threads}
    together = rollout_many(policies(), "panda", "lift", **options)
    for one, policy in zip(together, policies(), strict=True):
        alone = rollout(policy, "panda", "lift", **options)
        for name in ("seeds", "success", "steps", "closest"):
            assert np.array_equal(getattr(one, name), getattr(alone, name)), name
        for name in ("qpos", "tool", "object", "goal"):
            assert np.array_equal(getattr(one.tracks, name), getattr(alone.tracks, name)), name
    assert together[0].success.all() and not together[1].success.any()
    assert not np.array_equal(together[1].tracks.qpos, together[2].tracks.qpos)


def test_a_policy_is_not_asked_once_its_episodes_are_over():
    demos, calls = demonstrate("panda", "lift", range(2)), []
    player = Player(demos, 8)

    def counted(qpos, state):
        calls.append(len(qpos))
        return player(qpos, state)

    done, _ = rollout_many([counted, stay], "panda", "lift", range(2))
    assert calls == [2] * -(-int(done.steps.max()) // 8)


def test_reset_is_decided_by_the_seed():
    first, again = Environments("sawyer", "place", [3, 5, 3]), Environments("sawyer", "place", [3, 5, 3])
    for a, b in zip(first.observe(), again.observe(), strict=True):
        assert np.array_equal(a, b)
        assert np.array_equal(a[0], a[2]) and not np.allclose(a[0], a[1])


def test_starts_fill_the_promised_range():
    for what in TASKS.values():
        starts = [start(what, 6, seed) for seed in range(400)]
        xy = np.array([s.position[:2] for s in starts])
        assert np.abs(xy).max() <= 0.10 and np.all(xy.max(0) > 0.095) and np.all(xy.min(0) < -0.095)
        yaw = np.array([s.yaw for s in starts])
        assert yaw.min() < -3 and yaw.max() > 3
        assert 0.018 < np.std([s.noise for s in starts]) < 0.022
        if what.goal is None:
            assert not np.any([s.goal for s in starts])
        else:
            away = np.linalg.norm([s.goal[:2] - s.position[:2] for s in starts], axis=1)
            assert what.goal[0] <= away.min() and away.max() <= what.goal[1]


def test_other_robots_get_the_same_scene():
    worlds = [Environments(name, "push", range(5)) for name in ("ur5e", "gen3")]
    assert np.array_equal(worlds[0].object_position, worlds[1].object_position)
    assert np.array_equal(worlds[0].goal, worlds[1].goal)


def test_state_says_where_things_are():
    world = Environments("gen3", "place", range(3))
    qpos, state = world.observe()
    assert state.dtype == qpos.dtype == np.float32 and state.shape == (3, len(STATE_NAMES))
    position, matrix = pose(world.arm, qpos[:, :7].astype(float))
    assert np.allclose(state[:, :3], position + world.arm.base, atol=1e-5)
    assert np.allclose(state[:, 3:6], matrix[:, :, 0], atol=1e-5)
    starts = [start(world.task, 7, seed) for seed in range(3)]
    assert np.allclose(state[:, 9:12], [s.position for s in starts], atol=1e-6)
    assert np.allclose(state[:, 12], [np.cos(4 * s.yaw) for s in starts], atol=1e-5)
    assert np.allclose(state[:, 13], [np.sin(4 * s.yaw) for s in starts], atol=1e-5)
    assert np.allclose(state[:, 14:17], [s.goal for s in starts], atol=1e-6)
    assert np.allclose(state[:, 17:20], state[:, 9:12] - state[:, :3], atol=1e-6)


def test_targets_are_clipped_to_the_limits():
    arm = robot("panda")
    wild = np.tile(np.append(arm.limits[:, 1] + 5.0, 9.0), (1, 1))
    edge = np.append(arm.limits[:, 1], 1.0)[None]
    worlds = [Environments("panda", "lift", [0]) for _ in range(2)]
    for _ in range(5):
        worlds[0].step(wild)
        worlds[1].step(edge)
    assert np.array_equal(worlds[0].joints, worlds[1].joints)


def test_a_command_is_followed_within_three_steps():
    world = Environments("xarm7", "lift", [0])
    target = np.append(home("xarm7"), 1.0)[None]
    for _ in range(6):
        world.step(target)
    assert np.allclose(world.joints, home("xarm7"), atol=2e-3)


def test_finished_environments_stand_still():
    demos = demonstrate("panda", "lift", range(2))
    result = rollout(Player(demos, 8), "panda", "lift", range(2), record=True)
    early = int(np.argmin(result.steps))
    tail = result.tracks.object[early, result.steps[early] :]
    assert np.all(tail == tail[0])


def test_place_needs_the_cube_to_have_been_lifted():
    what, goal = task("place"), np.array([[0.1, 0.0, 0.02]])
    there, still = np.array([[0.1, 0.01, 0.02]]), np.zeros((1, 3))

    def met(position=there, velocity=still, highest=0.09, opening=1.0):
        return bool(succeeded(what, position, velocity, goal, np.array([highest]), np.array([opening]))[0])

    assert met()
    assert not met(highest=0.03)
    assert not met(opening=0.46)
    assert not met(position=there + np.array([0.0, 0.03, 0.0]))
    assert not met(position=there + np.array([0.0, 0.0, 0.01]))
    assert not met(velocity=np.array([[0.1, 0, 0]]))


def test_bad_requests_are_refused():
    requests = {
        "task": lambda: rollout(stay, "panda", "lft", [0]),
        "execute": lambda: rollout(stay, "panda", "lift", [0], execute=0),
        "seeds": lambda: rollout(stay, "panda", "lift", []),
        "rollouts": lambda: rollout_many([], "panda", "lift", [0]),
        "policy on panda": lambda: rollout(stay, "panda", "lift", [0], execute=9),
        "action for panda": lambda: rollout(lambda q, s: stay(q, s) * np.nan, "panda", "lift", [0]),
    }
    for where, request in requests.items():
        with pytest.raises(InputError) as caught:
            request()
        assert caught.value.where == where
    with pytest.raises(InputError) as caught:
        rollout(lambda q, s: stay(q, s)[..., :-1], "panda", "lift", [0])
    assert caught.value.got == "actions of shape (1, 8, 7)"
