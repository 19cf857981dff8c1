"""Every part on a CUDA device without a GPU (`tests.fake_device`): nothing meets on two devices, no step waits."""

import os
from collections import Counter
from dataclasses import replace
from unittest import mock

import pytest
import torch

import ate.align
from ate.align import Alignment
from ate.align.config import preset
from ate.align.evaluate.correspondence import correspondence
from ate.align.evaluate.scorecard import scorecard
from ate.data import load
from ate.data.chunks import chunk
from ate.errors import InputError
from ate.experiments.settings import SHIPPED
from ate.policies import Policy, build
from ate.runs import distributed
from ate.runs.device import pick
from ate.sim.rollout import rollout
from ate.steer import (
    Evaluation,
    Goals,
    Guidance,
    GuidedPolicy,
    OptimConfig,
    Replay,
    attach,
    dry_run,
    finetune,
    finetune_methods,
)
from tests.fake_device import fake_cuda
from tests.policies.rdt.tiny import batch, runner
from tests.steer.strangers import DiffusionPolicy, FlowMatchPolicy, FlowVla

CHUNK, WIDTH, BATCH = 16, 7, 8
SMALL = {"pretrain_steps": 4, "adapt_steps": 4}
HOLDS = {"lam": 2.0, "clamp": 0.1}
TINY = {"chunk": 8, "latent": 8, "feedforward": 16, "batch": 8, "dropout": 0.1, **SMALL}


@pytest.fixture
def cuda(monkeypatch):
    monkeypatch.delenv("ATE_DEVICE", raising=False)
    torch.set_num_threads(1)
    with fake_cuda() as device:
        yield device


@pytest.fixture(scope="module")
def new():
    return load(SHIPPED / "lift" / "adapt" / "ur5e").select(range(4))


@pytest.fixture(scope="module")
def old():
    return [load(SHIPPED / "lift" / "pretrain" / name).select(range(4)) for name in ("panda", "xarm6")]


@pytest.fixture(scope="module")
def alignment(old, new):
    return ate.align.fit(old, new, preset("smoke").with_options(**SMALL), device="cpu")


def policy_of(new, **options):
    return build([new], CHUNK, seed=0, width=8, hidden=16, **options)


def places(alignment):
    return {module.device.type for module in (alignment.pretrain_vae, alignment.vae)}


def test_the_device_refuses_what_cuda_refuses(cuda):
    there, here = torch.ones(2, 2, device="cuda"), torch.ones(2, 2)
    with pytest.raises(RuntimeError, match="same device"):
        there @ here
    with pytest.raises(TypeError):
        there.numpy()
    with pytest.raises(RuntimeError, match="generator"):
        torch.randn(2, device="cuda", generator=torch.Generator())
    there.sum().item()
    assert sum(cuda.syncs.values()) == 0 or list(cuda.syncs) == ["? _local_scalar_dense"]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["smoke", "smoke-mixture", "smoke-anchored", "smoke-motion"])
def test_an_alignment_is_fitted_saved_loaded_and_judged(cuda, old, new, tmp_path, name):
    fitted = ate.align.fit(old, new, preset(name).with_options(**SMALL))
    fitted.save(tmp_path)
    loaded = Alignment.load(tmp_path)
    assert places(loaded) == {"cuda"} and places(Alignment.load(tmp_path, device="cpu")) == {"cpu"}
    if name == "smoke-anchored":
        scorecard(loaded, old, new, 0)
        correspondence(loaded, old, new, seed=0)


@pytest.mark.parametrize("kind", ["epsilon", "sample", "v", "flow_data_at_1", "flow_noise_at_1"])
@pytest.mark.slow
def test_finetuning_in_both_places_leaves_the_callers_modules_where_they_are(cuda, alignment, new, kind):
    policy = policy_of(new, parameterization=kind)
    for place in ("x_t", "x0_hat"):
        guidance = Guidance.of(alignment, "paper", energy_at=place, **HOLDS)
        trained = finetune(policy, new, guidance, steps=2, batch=BATCH).policy
        assert next(trained.parameters()).is_cuda and guidance.vae is alignment.vae
        assert places(alignment) == {"cpu"} and not next(policy.parameters()).is_cuda


@pytest.mark.slow
def test_an_alignment_encodes_and_is_moved_as_a_copy(cuda, alignment, new, old):
    moved = alignment.to("cuda")
    assert places(moved) == {"cuda"} and places(alignment) == {"cpu"} and moved.to("cuda").vae is moved.vae
    for one in (alignment, moved, replace(alignment, vae=moved.vae)):
        assert len(one.encode(new)) and len(one.encode_pretrain(old))
    realigned = ate.align.realign(alignment, new)
    assert places(realigned) == {"cuda"} and places(alignment) == {"cpu"}


@pytest.mark.slow
def test_methods_share_a_copy_of_the_encoder_and_equal_themselves_alone(cuda, alignment, new):
    """Not stacked unless it is asked for: what a cell learns does not depend on its company."""
    policy, optim = policy_of(new), OptimConfig(steps=3, batch=BATCH)
    forms = {"a": {}, "b": {"energy_at": "x0_hat"}, "c": {"energy_at": "x0_hat", "lam": 1.0}}
    methods = {
        name: GuidedPolicy(policy, Guidance.of(alignment, "paper", **{**HOLDS, **form})) for name, form in forms.items()
    }
    together = finetune_methods({**methods, "direct": GuidedPolicy(policy)}, new, optim)
    (alone,) = finetune_methods({"b": methods["b"]}, new, optim).values()
    assert torch.equal(weights(alone.policy), weights(together["b"].policy))
    stacked = finetune_methods(methods, new, optim, stacked=True)
    assert not torch.equal(weights(stacked["b"].policy), weights(stacked["c"].policy))


def weights(policy):
    return torch.cat([weight.detach().flatten().cpu() for weight in policy.parameters()])


@pytest.fixture
def two_rows(monkeypatch):
    """Two metric rows a training, of few steps each."""
    monkeypatch.setattr("ate.steer.training.ROWS", 2)
    monkeypatch.setattr("ate.align.trainer.ROWS_OF_METRICS", 2)


def waits(cuda, work):
    """What the host waits for in a step: by the difference of two lengths of as many rows."""
    counts = []
    for steps in (4, 8):
        cuda.syncs.clear()
        work(steps)
        counts.append(Counter(cuda.syncs))
    return {line: count - counts[0][line] for line, count in counts[1].items() if count != counts[0][line]}, counts[1]


TRAININGS = {
    "alone": ({}, {}, False),
    "at the estimate, averaged and clipped": ({"energy_at": "x0_hat"}, {"ema": 0.9, "max_grad_norm": 1.0}, False),
    "stacked": ({"energy_at": "x0_hat"}, {"ema": 0.9, "max_grad_norm": 1.0}, True),
    "sampled latents": ({"latent": "sample"}, {"warmup": 2, "accumulate": 2}, False),
    "in bf16": ({}, {"precision": "bfloat16_copy", "accumulate": 2}, False),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", list(TRAININGS))
def test_a_step_of_finetuning_waits_for_nothing_and_a_row_once(cuda, two_rows, alignment, new, name):
    form, options, stacked = TRAININGS[name]
    policy = policy_of(new)
    methods = {
        f"{lam}": GuidedPolicy(policy, Guidance.of(alignment, "paper", clamp=0.1, lam=lam, **form))
        for lam in (1.0, 2.0)
    }
    found, counts = waits(
        cuda,
        lambda steps: finetune_methods(methods, new, OptimConfig(steps=steps, batch=4, **options), stacked=stacked),
    )
    assert found == {}
    assert [count for line, count in counts.items() if "runs/loop.py" in line] == [2]


@pytest.mark.slow
def test_a_step_at_pretraining_observations_waits_for_nothing(cuda, two_rows, alignment, new):
    goals = Goals.encoded(alignment.vae, [(new, alignment.space.compact)], CHUNK)
    guidance, replay = Guidance.of(alignment, "tool-motion", goals=goals), Replay.of(new, alignment.space)
    policy = policy_of(new)
    found, _ = waits(cuda, lambda steps: finetune(policy, new, guidance, replay=replay, steps=steps, batch=4))
    assert found == {} and not goals.latents.is_cuda


@pytest.mark.slow
def test_a_step_of_an_alignment_waits_for_nothing(cuda, two_rows, old, new):
    config = preset("smoke").with_options(**TINY)
    found, _ = waits(cuda, lambda steps: ate.align.fit(old[:1], new, config.with_options(pretrain_steps=steps)))
    assert found == {}


THEIRS = {
    "diffusers": (DiffusionPolicy, lambda policy, a0, noise, t: policy(a0, noise, t), 0),
    # What its `scale_noise` waits for in itself, with and without guidance: twice a sample, and copies of its tables.
    "flow matching": (FlowMatchPolicy, lambda policy, a0, noise, t: policy(a0, noise, t.cpu()), 2 * BATCH + 4),
    "flow VLA": (FlowVla, lambda policy, a0, noise, t: policy(a0), 0),
}


@pytest.mark.parametrize("name", list(THEIRS))
@pytest.mark.slow
def test_a_guided_step_of_strangers_waits_for_nothing_more(cuda, monkeypatch, alignment, new, name):
    monkeypatch.setattr("ate.steer.fit.LOOKS", 2)
    make, call, own = THEIRS[name]
    policy, guiding = make(CHUNK, WIDTH).to("cuda").train(), alignment.to("cuda")
    chunks = chunk(new, CHUNK, guiding.space.compact, device="cuda")
    with attach(policy, guiding, "paper", joints=guiding.joint_names, statistics="alignment", **HOLDS) as guided:
        # Two batches are judged, and read by the host for it.
        for size in (256, 256, BATCH):
            a0 = chunks.gather(torch.randint(len(chunks), (size,), device="cuda"))
            noise, t = torch.randn_like(a0), torch.randint(1, 99, (size,), device="cuda")
            cuda.syncs.clear()
            call(policy, a0, noise, t).backward()
    mine = {line: count for line, count in cuda.syncs.items() if line.startswith("ate/")}
    assert sum(mine.values()) <= own, mine
    assert guided.steps == 3 and guided.shift.is_cuda and guided.rows


@pytest.mark.slow
def test_a_guided_step_of_our_policy_waits_for_nothing(cuda, alignment, new):
    policy, guiding = policy_of(new).to("cuda").moved_to(alignment.space).train(), alignment
    with attach(policy, guiding, "paper", **HOLDS) as guided:
        for _ in range(2):
            a0, noise = (torch.randn(BATCH, CHUNK, 8, device="cuda") for _ in range(2))
            t, observation = torch.rand(BATCH, device="cuda"), torch.randn(BATCH, policy.observed, device="cuda")
            cuda.syncs.clear()
            policy(policy.path.noised(a0, noise, t), t, observation).square().mean().backward()
    assert cuda.syncs == Counter() and guided.steps == 2 and places(alignment) == {"cpu"}


@pytest.mark.slow
def test_rdt_trains_and_samples_and_its_sampler_waits_once(cuda):
    policy, (inputs, a0, noise) = runner().to("cuda"), batch()
    inputs, a0, noise = {k: v.to("cuda") for k, v in inputs.items()}, a0.to("cuda"), noise.to("cuda")
    vae = ate.align.InfoVAE(ate.align.VAEConfig(128, latent=8, layers=3, heads=2, feedforward=16)).to("cuda")
    with attach(policy, Guidance(vae, "paper", **HOLDS)):
        for _ in range(2):
            cuda.syncs.clear()
            policy.compute_loss(**inputs, action_gt=a0, noise=noise).backward()
    assert cuda.syncs == Counter()
    assert policy.eval().predict_action(**inputs).is_cuda
    assert sum(cuda.syncs.values()) == 1


@pytest.mark.slow
def test_a_policy_acts_and_guidance_is_measured(cuda, alignment, new):
    policy, generator = policy_of(new).to("cuda"), torch.Generator().manual_seed(0)
    rollout(lambda q, s: policy.act(q, s, generator), "ur5e", "lift", range(1), threads=1, execute=CHUNK)
    dry_run(policy, new, Guidance.of(alignment, "paper", **HOLDS), batches=2, batch=4)
    assert places(alignment) == {"cpu"}


@pytest.mark.parametrize("precision", ["float32", "tf32", "bfloat16_copy"])
def test_only_a_step_in_tf32_rounds_float32_products(cuda, monkeypatch, new, precision):
    policy, seen, forward = policy_of(new), set(), Policy.forward
    products = torch.backends.cuda.matmul, torch.backends.cudnn.conv
    before = [product.fp32_precision for product in products]

    def watched(*args):
        seen.update(product.fp32_precision for product in products)
        return forward(*args)

    monkeypatch.setattr(Policy, "forward", watched)
    trained = finetune(policy, new, steps=2, batch=BATCH, precision=precision)
    assert seen == ({"tf32"} if precision == "tf32" else set(before))
    assert [product.fp32_precision for product in products] == before
    assert next(trained.policy.parameters()).dtype == torch.float32
    seen.clear()
    finetune(policy, new, steps=1, batch=BATCH, precision=precision, device="cpu")
    assert seen == set(before)


def test_building_a_policy_leaves_the_callers_generators_alone(cuda, new):
    before = torch.get_rng_state(), torch.cuda.get_rng_state()
    policy = policy_of(new).to("cuda")
    policy.fresh(3)
    assert torch.equal(torch.get_rng_state(), before[0]) and torch.equal(torch.cuda.get_rng_state(), before[1])


@pytest.mark.slow
@pytest.mark.parametrize("kinds", [("cpu", "cuda"), ("cuda", "cpu")])
def test_checkpoints_travel_when_finished_and_are_refused_when_not(
    cuda, two_rows, alignment, new, old, tmp_path, kinds
):
    first, second = kinds
    config = preset("smoke").with_options(**TINY)
    done = ate.align.fit(old, new, config, tmp_path / "align", device=first)
    again = ate.align.fit(old, new, config, tmp_path / "align", device=second)
    assert places(again) == {second} and again.metrics["adapt"] == done.metrics["adapt"]
    assert torch.equal(weights(again.vae), weights(done.vae))

    policy, guidance = policy_of(new), Guidance.of(alignment, "paper", **HOLDS)
    options = {"batch": 4, "directory": tmp_path / "steer"}
    half = finetune(policy, new, guidance, steps=4, device=first, **options)
    same = finetune(policy, new, guidance, steps=4, device=second, **options)
    assert torch.equal(weights(half.policy), weights(same.policy)) and half.meter == same.meter
    with pytest.raises(InputError) as refused:
        finetune(policy, new, guidance, steps=8, device=second, **options)
    assert first in refused.value.got and f"ATE_DEVICE={first}" in refused.value.fix
    # The fix works, to the bits of a run that nothing cut.
    resumed = finetune(policy, new, guidance, steps=8, device=first, **options)
    whole = finetune(policy, new, guidance, steps=8, device=first, batch=4)
    assert torch.equal(weights(resumed.policy), weights(whole.policy))


@pytest.mark.slow
def test_a_run_that_is_evaluated_resumes_on_the_device_to_the_same_bits(cuda, two_rows, alignment, new, tmp_path):
    policy, guidance = policy_of(new), Guidance.of(alignment, "paper", latent="sample", **HOLDS)
    options = {"batch": 4, "ema": 0.9, "evaluation": Evaluation(new, every=5)}
    whole = finetune(policy, new, guidance, steps=10, **options)
    finetune(policy, new, guidance, steps=5, directory=tmp_path, **options)
    resumed = finetune(policy, new, guidance, steps=10, directory=tmp_path, **options)
    assert torch.equal(weights(whole.policy), weights(resumed.policy))
    assert whole.evaluation == resumed.evaluation[-len(whole.evaluation) :] and whole.meter == resumed.meter


def test_each_process_has_a_gpu_and_more_are_refused(cuda, monkeypatch):
    monkeypatch.setenv("LOCAL_RANK", "0")
    assert pick() == pick("cuda") == torch.device("cuda", 0)
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    with pytest.raises(InputError) as refused:
        pick()
    assert refused.value.where == "torchrun" and "--nproc_per_node 1" in refused.value.fix
    assert pick("cpu") == torch.device("cpu")


@pytest.mark.parametrize(("device", "backend"), [("cpu", "gloo"), ("cuda", "cpu:gloo,cuda:nccl")])
def test_processes_are_joined_by_what_the_device_needs(cuda, monkeypatch, device, backend):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("LOCAL_RANK", "0")
    group = mock.Mock()
    monkeypatch.setattr(distributed.distributed, "init_process_group", group)
    monkeypatch.setattr(distributed.distributed, "destroy_process_group", mock.Mock())
    with distributed.session(device):
        pass
    group.assert_called_once_with(backend)
    with mock.patch.dict(os.environ, {"ATE_DEVICE": device}), distributed.session():
        pass
    assert group.call_args.args == (backend,)
