"""Guidance attached to a policy that sees pictures, in a loop that is not ours."""

import re

import numpy as np
import pytest
import torch

from ate.align.vae import InfoVAE, VAEConfig
from ate.data.chunks import chunk
from ate.experiments.settings import ROOT
from ate.policies import build
from ate.policies.vision import see
from ate.steer import Guidance, attach
from tests.policies.vision.conftest import eyes, scene_set, started  # noqa: F401 (eyes is a fixture)

HORIZON = 8


@pytest.fixture(scope="module")
def seen(eyes, tmp_path_factory):  # noqa: F811
    return see(scene_set(tmp_path_factory.mktemp("own") / "panda", rows=20), eyes)


@pytest.fixture
def policy(seen, eyes):  # noqa: F811
    made = build([seen], HORIZON, seed=0, hidden=16)
    made.eyes = eyes
    return made


def loop(policy, seen, steps=3):
    """Losses of a loop of somebody else over what was seen and the chunks that follow."""
    space, generator = policy.spaces[0], torch.Generator().manual_seed(0)
    chunks = chunk(seen, HORIZON, space)
    rows = [policy.observation(item.qpos, seen.extra(i, "state"), space) for i, item in enumerate(seen)]
    actions, observed = chunks.gather(torch.arange(len(chunks))), torch.from_numpy(np.concatenate(rows))[chunks.starts]
    optimizer, losses = torch.optim.SGD(policy.parameters(), lr=1e-2), []
    for _ in range(steps):
        noise, t = torch.randn(actions.shape, generator=generator), torch.rand(len(actions), generator=generator)
        predicted = policy(policy.path.noised(actions, noise, t), t, observed)
        loss = torch.nn.functional.mse_loss(predicted, policy.path.target(actions, noise, t))
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    return losses


def test_guidance_acts_on_a_policy_that_sees_and_leaves_its_eyes_alone(policy, seen, eyes):  # noqa: F811
    plain = loop(build([seen], HORIZON, seed=0, hidden=16), seen)
    before = {name: value.clone() for name, value in eyes.encoder.state_dict().items()}
    vae = InfoVAE(VAEConfig(policy.config.features, latent=8, layers=3, heads=2, feedforward=16))
    with attach(policy, Guidance(vae, "paper", lam=2.0, clamp=0.05)) as guided:
        losses = loop(policy, seen)
    assert guided.hook_point.kind == "ours" and guided.steps == 3 and guided.shift.abs().max() > 0
    assert losses[0] != pytest.approx(plain[0], rel=1e-4)
    assert all(torch.equal(value, before[name]) for name, value in eyes.encoder.state_dict().items())
    # After the block the same policy looks at drawn pictures and acts.
    qpos, state = started("panda")
    act = policy.eval().acting(torch.Generator().manual_seed(0))
    assert act(qpos, state).shape == (len(qpos), HORIZON, qpos.shape[1])


@pytest.mark.slow
def test_the_loop_of_the_page_is_guided(tmp_path, monkeypatch, capsys):
    """docs/vision.md runs as it stands."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").symlink_to(ROOT / "data")
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "vision.md").read_text(), re.S)
    exec(compile(code, "vision.md", "exec"), {"__name__": "vision"})  # our own document
    steps, verdict, *chunk = capsys.readouterr().out.split()
    assert int(steps) > 0 and verdict in ("acting", "clamp-dominated") and chunk == ["(1,", "16,", "7)"]
