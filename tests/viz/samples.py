"""Made-up records in the shape of real ones; nothing here is evidence of anything."""

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np

from ate.data.doctor.checks.distances import JointDistance
from ate.data.doctor.report import Triage
from ate.data.episodes import Episode, Episodes
from ate.data.ledger import Entry, Ledger
from ate.experiments.results import RunResult
from ate.sim.rollout import Rollouts, Tracks
from tests.methods import method as spec


def episodes(robot: str, arm_joints: int, count: int = 12, seed: int = 0, rate: float | None = 20.0,
             companions: bool = True) -> Episodes:  # fmt: skip
    random = np.random.default_rng(seed)
    items = []
    for index in range(count):
        steps = int(random.integers(26, 40))
        time = np.linspace(0, 1, steps)[:, None]
        joints = np.sin(3 * time + np.arange(arm_joints)) + 0.1 * random.normal(size=(1, arm_joints))
        qpos = np.hstack([joints, (time < 0.6).astype(float)]).astype(np.float32)
        extras = {"phase": np.minimum((6 * time[:, 0]).astype(np.int8), 5)} if companions else {}
        items.append(Episode.of(f"episode_{index:04d}", Path(f"/nowhere/{robot}"), qpos=qpos, **extras))
    names = (*(f"{robot}_joint{i + 1}" for i in range(arm_joints)), "gripper")
    return Episodes(tuple(items), "qpos", robot, names, rate, "lift")


def sets() -> tuple[tuple[Episodes, ...], Episodes]:
    robots = {"iiwa14": 7, "panda": 7, "sawyer": 7, "xarm6": 6, "xarm7": 7}
    return tuple(episodes(name, joints, seed=i) for i, (name, joints) in enumerate(robots.items())), episodes("ur5e", 6)


def triages(count: int, odd: int = 1, unusable: int = 0) -> tuple[Triage, ...]:
    """`count` episodes in the order of files: the first `odd` are odd, the next `unusable` cannot be used."""
    found = []
    for i in range(count):
        name = f"episode_{i:04d}"
        if odd <= i < odd + unusable:
            found.append(Triage(name, f"/x/{name}.hdf5", 0, float("inf"), {}, ("cannot be used: an empty file",)))
            continue
        length = 20.0 - i if i < odd else 0.01 * i
        reasons = (f"length {length:+.1f} deviations from the median episode",) if i < odd else ()
        found.append(Triage(name, f"/x/{name}.hdf5", 30, length, {"length": length, "end pose": -0.5}, reasons))
    return tuple(found)


def distances(adapt: Episodes) -> list[JointDistance]:
    return [JointDistance(name, i, 0.1 * i, 0.02, 0.35, 0.5) for i, name in enumerate(adapt.joint_names)]


def metrics() -> dict[str, list[dict[str, float]]]:
    stages = {}
    for name, steps in (("pretrain", 3000), ("adapt", 1000)):
        rows = []
        for step in range(steps // 20, steps + 1, steps // 20):
            fall = np.exp(-3 * step / steps)
            terms = {"loss": 0.2 * fall + 0.01, "reconstruction": 0.1 * fall + 0.004, "kl": 3 - fall,
                     "mmd": 0.05 * fall - 0.004}  # fmt: skip
            held = {f"held_{name}": 1.2 * value for name, value in terms.items()}
            rows.append({"step": step, **terms, **held, "held_active": 20.0})
        stages[name] = rows
    return stages


def results(simulator: bool = True, seeds: int = 4) -> list[RunResult]:
    rates = {
        "direct": 0.36, "scratch": 0.02, "retarget": 0.9, "tool-motion guidance": 0.97, "tool space": 0.995,
        "published shift": 0.2, "untrained encoder": 0.05, "guidance at demonstrations": 0.4,
    }  # fmt: skip
    encoders = dict.fromkeys(rates, "none") | {
        "tool-motion guidance": "motion", "published shift": "published", "untrained encoder": "random-motion",
        "guidance at demonstrations": "aligned",
    }  # fmt: skip
    return [
        run(method, seed, parameterization, rates[method], 0.0 if encoder == "none" else 2.0, 0.1, encoder, simulator)
        for parameterization in ("sample", "flow_noise_at_1")
        for method, encoder in encoders.items()
        for seed in range(seeds)
    ]


def cells(seeds: int = 3) -> list[RunResult]:
    found = []
    for parameterization in ("sample", "flow_noise_at_1"):
        for seed in range(seeds):
            found.append(run("direct", seed, parameterization, 0.66, 0.0, 0.1, "none"))
            for lam in (0.5, 2.0):
                for clamp in (0.02, 0.1, 0.5):
                    harm = min(0.6, 1.6 * lam * clamp)
                    method = f"λ {lam:g}, clamp {clamp:g}"
                    found.append(run(method, seed, parameterization, 0.66 - harm, lam, clamp, "aligned"))
    return found


def run(method: str, seed: int, parameterization: str, rate: float, lam: float, clamp: float, encoder: str,
        simulator: bool = True) -> RunResult:  # fmt: skip
    random = np.random.default_rng([seed, len(method)])
    rate = float(np.clip(rate + random.normal(0, 0.05), 0, 1))
    success = tuple(bool(value) for value in random.random(100) < rate) if simulator else ()
    joints = [f"shoulder_joint_{i}" for i in range(6)] + ["gripper"]
    level = np.arange(10) / 10
    meter = [
        {"t_low": float(t), "t_high": float(t + 0.1), "ratio": float(0.03 * lam * np.exp(9 * t)),
         "clamped": float(min(1, max(0, t * 1.5 - clamp)))}
        for t in level
    ]  # fmt: skip
    return RunResult(
        spec=spec(method, lam, clamp, encoder), seed=seed, parameterization=parameterization, demonstrations=25,
        success=success,
        closest=tuple(random.random(len(success)) * 0.1),
        loss=tuple({"step": s, "loss": 0.2 * float(np.exp(-s / 30)) + 0.02 + 0.002 * seed} for s in range(4, 81, 4)),
        meter=tuple(meter) if lam else (), open_loop={j: 0.02 + 0.01 * i for i, j in enumerate(joints)}, seconds=3.0,
    )  # fmt: skip


def rolled_out(task: str = "lift", steps: tuple[int, ...] = (24, 60)) -> Rollouts:
    """Recorded rollouts, the first of which succeeds: the tool goes straight down to the object and up with it."""
    count, last = len(steps), max(steps)
    time = np.linspace(0, 1, last + 1, dtype=np.float32)[None, :, None] * np.ones((count, 1, 1), np.float32)
    depth = np.abs(1 - 2 * time)
    tool = np.concatenate([0.1 * time, -0.05 * time, 0.02 + 0.2 * depth], 2)
    thing = np.concatenate([0.05 + 0 * time, -0.025 + 0 * time, 0.02 + 0.1 * np.maximum(2 * time - 1, 0)], 2)
    goal = np.full((count, 3), 0.12 if task == "push" else 0.0, np.float32)
    tracks = Tracks(np.zeros((count, last + 1, 7), np.float32), tool, thing, goal)
    success = np.arange(count) == 0
    return Rollouts(
        "ur5e", task, np.arange(count) + 3, success, np.array(steps), np.linspace(0.01, 0.05, count), tracks
    )


def followed() -> Episodes:
    """A retargeted set of 20 episodes of two robots; every fourth was left out."""
    entries, items = [], []
    for i in range(20):
        name, kept = f"{('panda', 'sawyer')[i % 2]}/episode_{i:04d}", i % 4 != 3
        reason = "" if kept else "row 7 of 30 is 12.0 mm and 1.0° off; 80% of its rows are reached"
        entries.append(Entry(f"/nowhere/{i}.hdf5", name, 30, 7, kept, reason, ()))
        if kept:
            path = Path(f"/nowhere/{i}.hdf5")
            known = {"residual_mm": 0.001 * 2**i, "residual_deg": 0.0, "reached": 1.0}
            items.append(replace(Episode.of(name, path, qpos=np.zeros((30, 7), np.float32)), attributes=known))
    names = (*(f"joint{i}" for i in range(6)), "gripper")
    return Episodes(tuple(items), "qpos", "ur5e", names, 20.0, "lift", Ledger("retargeted", "", tuple(entries)))


@cache
def figures() -> dict[str, object]:
    """Every figure there is, by the name under which a notebook keeps it."""
    from ate import viz
    from ate.robots import embodiment, profile, unify

    pretrain, adapt = sets()
    contained = [
        {"measure": "precision", "value": 0.62, "null": 0.81, "null_low": 0.77, "null_high": 0.85},
        {"measure": "tail below 1 % density", "value": 0.07, "null": 0.012, "null_low": 0.004, "null_high": 0.021},
        {"measure": "active units", "value": 20.0, "null": None, "null_low": None, "null_high": None},
    ]
    spread = {"stage 1, pre-training": np.geomspace(1, 1e-4, 32), "stage 2, adaptation": np.geomspace(0.5, 1e-5, 32)}
    errors = {"training episodes": dict.fromkeys(adapt.joint_names, 0.02),
              "held-out episodes": dict.fromkeys(adapt.joint_names, 0.03)}  # fmt: skip
    return {
        "01_1_lengths": viz.episode_lengths(pretrain, adapt),
        "01_5_ranges": viz.joint_distributions(pretrain, adapt),
        "01_2_triage": viz.triage_grid(triages(75, odd=3, unusable=2)),
        "01_3_joints": viz.episode_joints(adapt, 0),
        "01_4_episode": viz.sample_episode(adapt, 0, ("hover", "descend", "close", "lift", "hold", "end")),
        "01_6_distances": viz.joint_comparison(pretrain, adapt, distances(adapt)),
        "01_7_slots": viz.slot_map(unify([*pretrain, adapt])),
        "01_8_rdt": viz.slot_picture([embodiment(profile("ur5e"))]),
        "02_1_curves": viz.training_curves(metrics()),
        "02_3_containment": viz.containment(contained),
        "02_4_activity": viz.latent_activity(spread, spread),
        "02_5_errors": viz.joint_errors(errors),
        "03_1_success": viz.success(results()),
        "03_2_differences": viz.paired_differences(results()),
        "03_3_loss": viz.loss_curves(results()),
        "03_4_anatomy": viz.guidance_anatomy(results()),
        "03_5_open_loop": viz.open_loop_error(results(simulator=False)),
        "03_6_residuals": viz.residuals(followed()),
        "04_1_grid": viz.grid(cells()),
        "04_2_response": viz.response_curves(cells()),
        "04_3_meter": viz.meter_grid(cells()),
        "04_4_cost": viz.cost(cells()),
        "04_5_parallel": viz.parallel_coordinates(cells()),
        "04_6_film": viz.film_strip(rolled_out(), [0, 1]),
    }
