"""Kept policies: the fine-tuned policies of finished cells, read back, or trained again where they were not kept."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import joblib

from ate.experiments.answer import leading
from ate.experiments.experiment import Experiment
from ate.experiments.materials import Materials
from ate.experiments.preparation import in_parallel
from ate.experiments.results import RunResult
from ate.experiments.seed_run import SeedRun, demonstrations, train_seed
from ate.experiments.store import Store
from ate.experiments.study import Study
from ate.policies.noise import in_words
from ate.policies.policy import Policy
from ate.runs.device import one_thread
from ate.steer.training import Trained


@one_thread()
def seed_run(experiment: Experiment, results: Sequence[RunResult], folder: Path) -> SeedRun:
    """What one training seed trained, with the policies that were kept, or else trained again bit for bit.

    Args:
        experiment: of the study; its demonstrations and steps are replaced by those of the results.
        results: of one training seed and regime.
        folder: `results` of the run directory.
    """
    first = results[0]
    experiment = replace(experiment, demonstrations=first.demonstrations, steps=first.steps)
    if not are_kept(results, folder):
        return train_seed(experiment, [result.spec for result in results], first.seed, folder / "aligned")
    episodes, drawn, held_out = demonstrations(experiment, first.seed)
    materials = Materials(experiment, episodes, drawn, first.seed, folder / "aligned")
    trained = {
        result.method: Trained(
            Policy.load(Store(folder).policy_file(result.cell)).eval(),
            list(map(dict, result.loss)), list(map(dict, result.meter)), result.seconds,
        )
        for result in results
    }  # fmt: skip
    starts = {result.method: materials.start(result.spec) for result in results}
    return SeedRun(trained, starts, drawn, episodes, held_out, kept=True)


def are_kept(results: Sequence[RunResult], folder: Path) -> bool:
    """Whether the policy of each of these results was kept."""
    return all(result.cell and Store(folder).policy_file(result.cell).exists() for result in results)


def seed_runs(study: Study, results: Sequence[RunResult], seed: int = 0) -> dict[str, SeedRun]:
    """The same for results of a study, by parameterisation; what has to be trained again is trained at the same time.

    Args:
        study: whose results they are.
        results: methods to take; those of other training seeds are left out.
        seed: training seed.
    """
    folder = study.settings.directory / "results"
    jobs, missing = {}, False
    for kind in study.policies:
        own = [result for result in results if (result.parameterization, result.seed) == (kind, seed)]
        if own:
            experiment = study.experiment(kind, [result.spec for result in own])
            jobs[kind] = joblib.delayed(seed_run)(experiment, own, folder)
            missing |= not are_kept(own, folder)
    # Starting processes takes longer than reading files.
    ran = in_parallel(study.settings, list(jobs.values())) if missing else [f(*a, **o) for f, a, o in jobs.values()]
    return dict(zip(jobs, ran, strict=True))


def policy_lines(study: Study, results: Sequence[RunResult]) -> list[str]:
    """Where the policy of the answer's method is, of each parameterisation and the first training seed, if it was kept.

    Args:
        study: whose results they are.
        results: of a comparison.
    """
    folder, method = study.settings.directory / "results", leading(results)
    first = [r for r in results if (r.method, r.seed) == (method, 0) and are_kept([r], folder)]
    lines = [
        f"policy of {method}, {in_words(result.parameterization)}, seed 0: {Store(folder).policy_file(result.cell)}"
        for result in first
    ]
    hint = f"to use it: ate rollout --policy FILE --robot {study.adapt.robot}, or ate serve"
    return [*lines, hint] if lines else []
