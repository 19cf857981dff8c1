"""Guided fine-tuning of a tiny RDT by its own loss, in one process or, under `torchrun`, divided over several.

    python -m tests.policies.rdt.sharded FOLDER

Trains the whole way; half of the way, into `half.safetensors`, and on; and goes on from the checkpoint of another run
in `other`, if there is one. Each process writes what it found to `FOLDER/RANK.json`.
"""

import json
import shutil
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

from ate.policies.rdt import ShardedTraining, shard, whole_weights
from ate.runs import checkpoint
from ate.runs.distributed import all_rows, leader, own_rows, rank, session, wait
from ate.runs.loop import train
from ate.steer import Guidance, attach
from ate.steer.encoder import IdentityEncoder
from tests.policies.rdt.tiny import batch, runner

STEPS, BATCH, HALF = 4, 4, 2
LEVELS = torch.tensor([5, 400, 950, 120])


def inputs(index):
    """One step's batch of four rows, noise and levels included."""
    generator = torch.Generator().manual_seed(100 + index)
    given, actions, _ = batch(3)
    # The tiny batch has three rows; a fourth repeats one of them, with other noise.
    rows = torch.tensor([0, 1, 2, index % 3])
    given = {name: value[rows] for name, value in given.items()} | {"action_gt": actions[rows], "timesteps": LEVELS}
    return given | {"noise": torch.randn(BATCH, *actions.shape[1:], generator=generator)}


def run(steps, directory, precision="float32", **options):
    """Losses of the steps that were made here, and the policy."""
    policy = shard(runner(**options).train(), precision=precision)
    optimizer = torch.optim.AdamW(policy.parameters(), lr=1e-3)
    losses = []

    def step(index):
        optimizer.zero_grad(set_to_none=True)
        loss = policy.compute_loss(**{name: own_rows(value) for name, value in inputs(index).items()})
        loss.backward()
        torch.nn.utils.clip_grad_norm_(policy.parameters(), 1.0)
        optimizer.step()
        losses.append(all_rows(loss.detach()[None]).mean().item())
        return {"loss": loss}

    with attach(policy, Guidance(IdentityEncoder(128, 8), "paper", lam=1.0, clamp=0.1)) as guided:
        train(step, {"training": ShardedTraining(policy, optimizer)}, steps, directory=directory, log_every=steps)
    return losses, policy, optimizer, guided


def main(folder):
    """Everything that is compared."""
    torch.set_num_threads(1)
    found = {}
    with session():
        found["losses"], policy, optimizer, guided = run(STEPS, None)
        local = [getattr(weight, "_local_tensor", weight) for weight in policy.parameters()]
        found["own numbers"] = sum(weight.numel() for weight in local)
        moments = [value for state in optimizer.state.values() for name, value in state.items() if name != "step"]
        found["own moments"] = sum(getattr(value, "_local_tensor", value).numel() for value in moments)
        found["verdict"] = guided.verdict
        run(HALF, folder / "half")
        if leader():
            shutil.copy(folder / "half" / "last.safetensors", folder / "half.safetensors")
        wait()
        found["resumed"] = run(STEPS, folder / "half")[0]
        if (folder / "other" / "last.safetensors").exists():
            found["resumed from other"] = run(STEPS, folder / "other")[0]
        found["checkpointing"] = run(1, None, checkpointing=True)[0]
        found["mixed"] = run(1, None, precision="mixed")[0]
        given = {name: own_rows(value) for name, value in inputs(0).items()}
        noise = given.pop("noise")
        for name in ("action_gt", "timesteps"):
            given.pop(name)
        found["sampled"] = float(all_rows(policy.eval().predict_action(**given, noise=noise)).square().mean())
        whole = whole_weights(policy)
        if leader():
            save_file(whole, folder / "policy.safetensors")
            tree = checkpoint.load(folder / "half" / "last.safetensors")["state"]["training"]
            found["kept"] = [len(tree["policy"]), len(tree["optimizer"]["state"])]
        wait()
        (folder / f"{rank()}.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
