"""A study: settings in, results out; what notebooks 03 and 04 and `ate compare` share."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import joblib

from ate.align.alignment import FILE, Alignment
from ate.align.stages import fit, refit
from ate.data.episodes import Episodes
from ate.data.placements import KinematicsUnknown, is_placed, placement
from ate.errors import unknown
from ate.experiments.base_policy import ROLLOUTS, BaseSuccess, base_success, success_file
from ate.experiments.dispatch import JobSpec, SweepResult, run
from ate.experiments.executors import Executor
from ate.experiments.experiment import Experiment
from ate.experiments.materials import RETARGETED
from ate.experiments.methods import ALIGNED_VARIANTS, COMPARISON, DIRECT, MethodSpec, method_set
from ate.experiments.observability import is_blind
from ate.experiments.preparation import align_robots, alignment_folder, in_parallel, preflight, pretrain_policies
from ate.experiments.results import Regime, RunResult, of_regime
from ate.experiments.seed_run import simulated
from ate.experiments.settings import Settings, at_demonstrations
from ate.experiments.sight import replayed, seen_data
from ate.experiments.sweep import Sweep
from ate.runs.card import card
from ate.runs.directory import RunDirectory
from ate.runs.lock import lock
from ate.sim.gym_address import short


@dataclass(frozen=True, eq=False)
class Study:
    """Data, alignment and pre-trained policies of one run directory.

    Attributes:
        settings: of the run.
        pretrain: the pre-training robots' sets.
        adapt: the adaptation robot's episodes.
        alignment: of both, over all adaptation episodes.
        folder: where the alignment is kept.
        policies: checkpoint of the pre-trained policy of each parameterisation.
        tool_policies: the same of policies that act in tool space; empty where a robot's kinematics are not known.
    """

    settings: Settings
    pretrain: tuple[Episodes, ...]
    adapt: Episodes
    alignment: Alignment
    folder: Path
    policies: dict[str, Path]
    tool_policies: dict[str, Path] = field(default_factory=dict)

    def experiment(
        self,
        parameterization: str,
        methods: Sequence[MethodSpec] = (),
        demonstrations: int | None = None,
        steps: int = 0,
    ) -> Experiment:
        """What all methods and seeds share; variants of the alignment that methods name are trained first.

        Args:
            parameterization: what the policy predicts.
            methods: that will be trained.
            demonstrations: drawn for each training seed; None for the run's own number.
            steps: of fine-tuning; 0 for the run's own number.
        """
        s = self.settings
        encoders = {method.variant for method in methods}
        return Experiment(
            policy=str(self.policies[parameterization]),
            alignment=str(self.folder),
            variants=tuple((name, str(self._variant(name))) for name in ALIGNED_VARIANTS if name in encoders),
            adapt=s.adapt_data,
            pretrain=replayed(s),
            tool_policy=str(self.tool_policies.get(parameterization, "")),
            normalizer=RETARGETED if self.placed else "demonstrations",
            held_out=s.held_out,
            demonstrations=self._drawn(s.demonstrations if demonstrations is None else demonstrations),
            steps=steps or s.steps,
            batch=s.batch,
            learning_rate=s.learning_rate,
            lr_schedule=s.lr_schedule,
            rollouts=s.rollouts,
            task=s.rolled_out_in,
            seed=s.seed,
        )

    def compare(self, methods: str | Sequence[MethodSpec] = COMPARISON) -> list[RunResult]:
        """Methods, one of them with λ = 0, for every parameterisation; cells that a sweep has trained are read back.

        Args:
            methods: themselves, or the name of a set (`ate.experiments.methods.METHOD_SETS`): `"comparison"`, direct,
                what helps, the published shift and an untrained encoder; `"evidence"`, with the closest controls;
                `"controls"`, with all of them.

        Raises:
            InputError: an unknown set.
            CellsFailed: a cell has no result; the others are kept.
        """
        if isinstance(methods, str):
            methods = self.methods(methods)
        specs = tuple(methods)
        seeds = tuple(range(self.settings.seeds))
        requests = [JobSpec(self.experiment(name, specs), specs, seeds) for name in self.policies]
        return self._run(requests, self.settings.command("03")).whole()

    def methods(self, name: str = COMPARISON) -> tuple[MethodSpec, ...]:
        """The methods of a set by its name, with this study's guidance, as far as its robots' kinematics allow.

        Raises:
            InputError: an unknown set.
        """
        s = self.settings
        return method_set(name, s.guidance, s.encoder, s.demonstrations, self.placed)

    def bases(self) -> list[BaseSuccess]:
        """Each pre-trained policy on its own robots, kept in the run directory; none without a simulator.

        Where one of them fails its own robots the study cannot judge what it hands over, and says so first.
        """
        files = [*self.policies.values(), *self.tool_policies.values()]
        # No more of them than the methods get: at smoke size five robots are the longest part otherwise.
        rollouts = min(ROLLOUTS, max(1, self.settings.rollouts // 2))
        known = any(simulated(episodes) for episodes in self.pretrain)
        new = [file for file in files if known and not success_file(file, rollouts).exists()]
        in_parallel(self.settings, [joblib.delayed(base_success)(file, self.pretrain, rollouts) for file in new])
        return [base for file in files if (base := base_success(file, self.pretrain, rollouts)) is not None]

    def card(self, command: str, training_seeds: int) -> dict[str, Any]:
        """The run card of results of this study (`ate.runs.card`).

        Args:
            command: that asks for the same again.
            training_seeds: how many, from 0.
        """
        s = self.settings
        seeds = {"seed": s.seed, "training": list(range(training_seeds)), "rollouts": f"0 to {s.rollouts - 1}"}
        policies = {f"policy {name}": file.parent.name for name, file in self.policies.items()}
        return card(s.recorded, seeds=seeds, hashes={**self.alignment.digests, **policies}, command=command)

    def ablate(self) -> list[RunResult]:
        """The λ × clamp grid with its λ = 0 baseline, for the first parameterisation.

        Methods with a cell that failed are left out, with a warning.

        Raises:
            CellsFailed: a cell of the baseline failed.
        """
        return self.sweep(sweep_of(self.settings), self.settings.command("04")).paired()

    def validate(self, results: Sequence[RunResult]) -> list[RunResult]:
        """The winner of `ablate` and λ = 0, on training seeds that the search has not seen; none without rollouts.

        Args:
            results: what `ablate` gave.

        Raises:
            CellsFailed: a cell has no result.
        """
        return self.validate_sweep(sweep_of(self.settings), results, self.settings.command("04")).whole()

    def sweep(self, sweep: Sweep, command: str = "", stacked: bool = False) -> SweepResult:
        """The search: all methods of all regimes, on the search seeds.

        Args:
            sweep: its parameterisations are among the study's policies.
            command, stacked: as `ate.experiments.dispatch.run`.
        """
        requests = [self._request(regime, sweep.methods, sweep.search_seeds) for regime in self.regimes_of(sweep)]
        return self._run(requests, command, stacked)

    def regimes_of(self, sweep: Sweep) -> tuple[Regime, ...]:
        """Its regimes, each once; more demonstrations than there are mean all of them."""
        drawn = (regime._replace(demonstrations=self._drawn(regime.demonstrations)) for regime in sweep.regimes)
        return tuple(dict.fromkeys(drawn))

    def validate_sweep(self, sweep: Sweep, results: Sequence[RunResult], command: str = "") -> SweepResult:
        """The winner of each regime and its λ = 0 method, on the held-out seeds of the sweep and from other starts.

        Winners are chosen by `ate.experiments.stats.selection.select`: highest mean paired difference of success.

        Args:
            sweep: what was searched.
            results: what the search gave, methods complete over the search seeds.
            command: as `sweep`.
        """
        if not sweep.validate or not simulated(self.adapt, self.settings.rolled_out_in):
            return SweepResult((), ())
        from ate.experiments.stats.selection import select

        methods = {method.name: method for method in sweep.methods}
        requests = []
        for regime in self.regimes_of(sweep):
            searched = of_regime(results, regime)
            if searched:
                pair = methods[DIRECT], methods[select(searched)]
                held_out = self._request(regime, pair, sweep.held_out_seeds)
                # From the same start situations a winner that suits those would be validated too often.
                elsewhere = replace(held_out.experiment, first_rollout=self.settings.rollouts)
                requests.append(replace(held_out, experiment=elsewhere))
        return self._run(requests, command)

    @property
    def about(self) -> str:
        """Robot and task that it is about."""
        return f"{self.adapt.robot}, {short(self.settings.rolled_out_in) or self.adapt.task}"

    @property
    def blind(self) -> bool:
        """Whether its policies see joints alone."""
        return is_blind(self.settings, self.pretrain)

    @cached_property
    def placed(self) -> bool:
        """Whether the kinematics of all its robots are known."""
        return all(is_placed(episodes) for episodes in (*self.pretrain, self.adapt))

    def _drawn(self, demonstrations: int) -> int:
        pool, _ = self.adapt.split(self.settings.held_out, self.settings.seed)
        return min(demonstrations, len(pool))

    def _request(self, regime: Regime, methods: Sequence[MethodSpec], seeds: Sequence[int]) -> JobSpec:
        if regime.parameterization not in self.policies:
            raise unknown(regime.parameterization, self.policies, where="parameterisation of a sweep")
        experiment = self.experiment(regime.parameterization, methods, regime.demonstrations, regime.steps)
        return JobSpec(experiment, tuple(methods), tuple(seeds))

    def _run(self, requests: Sequence[JobSpec], command: str, stacked: bool = False) -> SweepResult:
        folder = RunDirectory(self.settings.directory).folder("results")
        return run(requests, folder, self.executor, command, stacked, self.settings.keep_policies)

    @property
    def executor(self) -> Executor:
        """Where its cells are trained."""
        return Executor.parse(self.settings.executor, self.settings.workers)

    def _variant(self, name: str) -> Path:
        """Folder of another variant of the alignment, over the same stage 1 where that sees no difference."""
        config = self.alignment.config.variant(name)
        folder = alignment_folder(self.settings, config, self.pretrain, self.adapt)
        with lock(folder, f"aligning as {name}"):
            if (folder / FILE).exists():
                return folder
            if config.first_stage == self.alignment.config.first_stage:
                refit(self.alignment, self.pretrain, self.adapt, config, folder)
            else:
                fit(self.pretrain, self.adapt, config, folder, self.settings.seed)
        return folder


def sweep_of(settings: Settings) -> Sweep:
    """The λ × clamp sweep that a run's settings describe."""
    return Sweep(
        lams=settings.lams,
        clamps=settings.clamps,
        share=settings.shares,
        parameterization=settings.parameterizations[:1],
        demonstrations=(settings.demonstrations,),
        steps=(settings.steps,),
        guidance={name: (getattr(settings.guidance, name),) for name in settings.guidance.unusual()},
        seeds=settings.ablation_seeds,
        validate=settings.validation_seeds,
    )


def prepare(settings: Settings) -> Study:
    """Load, align and pre-train, each step read back from the run directory where it was done before.

    Where the kinematics of a robot are not known nothing can be retargeted: the study's guidance is then at the
    demonstrations, with a warning.

    Raises:
        InputError: from any of the three.
    """
    data = preflight(settings := seen_data(settings))
    wanted, sets, adapt = settings.parameterizations, data.pretrain, data.adapt
    alignment, folder = align_robots(settings, sets, adapt)
    width = alignment.space.width
    study = Study(settings, sets, adapt, alignment, folder, {})
    if settings.guidance.at_pretraining and not study.placed:
        unknown_robots = ", ".join(dict.fromkeys(s.robot for s in (*sets, adapt) if not is_placed(s)))
        warnings.warn(KinematicsUnknown(f"{unknown_robots}: guidance at the demonstrations instead"), stacklevel=2)
        study = replace(study, settings=at_demonstrations(settings))
    places = tuple(placement(episodes) for episodes in sets) if study.placed else ()
    asked = [(sets, width, name, ()) for name in wanted] + [(sets, width, name, places) for name in wanted if places]
    files = pretrain_policies(settings, asked)
    joints, tool = (dict(zip(wanted, part, strict=False)) for part in (files, files[len(wanted) :]))
    return replace(study, policies=joints, tool_policies=tool)
