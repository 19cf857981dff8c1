"""Leads: research on forms of latent guidance that are no option of the product, each with its control: `make leads`.

Per training seed, on the demonstrations that `ate compare` draws, with its optim, alignment and rollout seeds:

| method | what it does |
|---|---|
| direct | plain fine-tuning |
| translated | first some steps on pre-training episodes translated into the new robot's joints, then fine-tuning |
| replayed | its control: as many steps on the same episodes in their own robots' joints |
| α² schedule | the paper's shift without clamp, λ(t) = 2·α², and by a random encoder |
| density | energy −log p(E_ψ(â0)) under a mixture fitted to pre-training: no a0 in it |
| retrieved | latent auxiliary loss to the nearest *pre-training* latent of each chunk, and to a random one |

`python -m benchmarks.leads --run FOLDER …` takes what `ate compare` takes.
"""

import json
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import click
import joblib
import torch
from torch import Tensor

from ate.align.alignment import chunks_of
from ate.align.evaluate.variants import untrained
from ate.align.mixture import Mixture
from ate.align.mixture_em import fit_prior
from ate.align.priors import posteriors
from ate.experiments.experiment import Experiment
from ate.experiments.methods import MethodSpec
from ate.experiments.seed_run import SeedRun, _realigned, _result, draw_demonstrations
from ate.experiments.settings import settings
from ate.experiments.stats.comparisons import differences, summarise, verdict
from ate.experiments.study import prepare
from ate.policies.policy import Policy
from ate.steer.finetuning import finetune_methods, pretrain
from ate.steer.guidance import Guidance
from ate.steer.training import GuidedPolicy, OptimConfig
from benchmarks.translating import translate

PRE_STEPS = 300
PAIRS = (
    ("translated", "replayed"),
    ("α² schedule", "α² schedule, random"),
    ("retrieved", "retrieved, random"),
)


@dataclass(frozen=True, eq=False)
class Towards(Guidance):
    """Latent auxiliary loss towards given latents `(N, d)`: the nearest to each chunk's own, or any."""

    among: Tensor | None = None
    nearest: bool = True

    def gradient(self, x, a0, noise=None, target=None):
        wanted = self.latents(a0).detach() if target is None else target
        if self.nearest:
            index = torch.cdist(wanted, self.among).argmin(1)
        else:
            # A fixed, arbitrary partner of each chunk.
            index = (wanted.sum(1).abs() * 1e6).long() % len(self.among)
        return super().gradient(x, a0, noise, self.among[index])

    @cached_property
    def gradient_key(self):
        return (*super().gradient_key, self.nearest, "towards")


@dataclass(frozen=True, eq=False)
class Density(Guidance):
    """Energy −log p(E_ψ(x)) of a mixture."""

    mixture: Mixture | None = None

    def gradient(self, x, a0, noise=None, target=None):
        with torch.enable_grad():
            moving = x.detach().requires_grad_(True)
            (slope,) = torch.autograd.grad(-self.mixture.log_prob(self.latents(moving)).sum(), moving)
        return -slope if self._weights is None else -slope * self._weights.to(slope)

    @cached_property
    def gradient_key(self):
        return (*super().gradient_key, "density")


def run_seed(experiment: Experiment, sets, seed: int, aligned: Path) -> list[dict]:
    torch.set_num_threads(1)
    episodes = experiment.adapt.load()
    pool, held_out = episodes.split(experiment.held_out, experiment.seed)
    drawn = draw_demonstrations(pool, experiment.demonstrations, seed)
    alignment, _ = _realigned(experiment.alignment, drawn, seed, aligned)
    policy = Policy.load(experiment.policy)
    few = tuple(s.select(range(min(len(s), 40))) for s in sets)
    latents = torch.cat([p.mean for s, sp in zip(few, alignment.spaces_of(few), strict=True)
                         for p in posteriors(alignment.pretrain_vae, alignment.chunks(s, sp))])  # fmt: skip
    chunks = chunks_of(list(few), alignment.pretrain_spaces, alignment.config)
    config = alignment.config.with_options(prior="mixture", mmd_reference="modes")
    mixture = fit_prior(alignment.pretrain_vae, chunks, config, seed)
    made = Guidance.of(alignment, "auxiliary")
    fields = {name: getattr(made, name) for name in made.__dataclass_fields__}
    random = untrained(alignment, seed).vae
    guided = {
        "α² schedule": Guidance.of(alignment, "paper", lam=2.0, schedule="alpha_squared"),
        "α² schedule, random": Guidance.of(alignment, "paper", lam=2.0, vae=random, schedule="alpha_squared"),
        "density": Density(**fields, mixture=mixture),
        "retrieved": Towards(**fields, among=latents),
        "retrieved, random": Towards(**fields, among=latents, nearest=False),
    }
    optim = OptimConfig(PRE_STEPS, experiment.batch, experiment.learning_rate, seed=seed)
    moved = translate(alignment, few)
    translated = finetune_methods({"p": GuidedPolicy(policy)}, moved.episodes, optim, space=alignment.space)["p"].policy
    replayed = pretrain(policy, few, optim).policy
    methods = {
        "direct": GuidedPolicy(policy),
        "translated": GuidedPolicy(translated),
        "replayed": GuidedPolicy(replayed),
    }
    methods |= {name: GuidedPolicy(policy, guidance) for name, guidance in guided.items()}
    optim = replace(optim, steps=experiment.steps)
    trained = finetune_methods(methods, drawn, optim, space=alignment.space, label=f"seed {seed}")
    done = SeedRun(trained, {}, drawn, episodes, held_out)
    rows = [_result(experiment, MethodSpec(name), seed, done).to_tree() for name in methods]
    return [{**row, "tool_error": moved.tool_error} for row in rows]


@click.command()
@click.option("--profile", default="demo")
@click.option("--run", default="")
@click.option("--pretrain", default=None)
@click.option("--adapt", default=None)
@click.option("--demonstrations", type=int, default=None)
@click.option("--steps", type=int, default=None)
@click.option("--seeds", type=int, default=8)
@click.option("--workers", type=int, default=2)
@click.option("--parameterizations", default=None)
def main(**given):
    from ate.experiments.results import RunResult

    chosen = settings(given)
    study = prepare(chosen)
    for kind in study.policies:
        experiment = study.experiment(kind)
        jobs = (joblib.delayed(run_seed)(experiment, study.pretrain, seed, chosen.directory / "results" / "aligned")
                for seed in range(chosen.seeds))  # fmt: skip
        with joblib.parallel_config("loky", n_jobs=chosen.workers, inner_max_num_threads=1):
            trees = [row for rows in joblib.Parallel()(jobs) for row in rows]
        name = f"leads_{kind}_{experiment.demonstrations}x{experiment.steps}.json"
        (chosen.directory / name).write_text(json.dumps(trees))
        errors = [tree.pop("tool_error") for tree in trees]
        results = [RunResult.from_tree(tree) for tree in trees]
        click.echo(f"{kind}, {experiment.demonstrations} x {experiment.steps}, tools {max(errors):.3f} m apart at most")
        for row in summarise(results):
            click.echo(f"  {row.method}: {100 * row.rate:.1f} %")
        for row in differences(results):
            click.echo(f"  {verdict(row)}")
        for method, control in PAIRS:
            (row,) = differences([r for r in results if r.method in (method, control)], baseline=control)
            click.echo(f"  {verdict(row)}")


if __name__ == "__main__":
    main()
