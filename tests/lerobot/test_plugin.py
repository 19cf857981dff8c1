"""The plug-in that lerobot's trainer discovers: its policies, tiny, against the loss written by hand."""

import json
import sys
from dataclasses import fields
from pathlib import Path

import pytest
import torch

pytest.importorskip("lerobot", reason="lerobot has an environment of its own: make lerobot")

from ate.errors import InputError
from tests.lerobot.hand import actions_of, shifted_target_loss
from tests.lerobot.policies import BATCH, HORIZON, build, import_torchvision
from tests.steer.lines import line_alignment, line_robots

import_torchvision()
sys.path.insert(0, str(Path(__file__).parents[2] / "plugins" / "lerobot_policy_ate"))

LAM, CLAMP = 2.0, 0.05
# The policy of lerobot → the type that `lerobot-train --policy.type=` takes.
TYPES = {"DiffusionPolicy": "ate_diffusion", "SmolVLA": "ate_smolvla", "π0.5": "ate_pi05"}


@pytest.fixture(scope="module")
def robots(tmp_path_factory):
    return line_robots(tmp_path_factory.mktemp("robots"))


@pytest.fixture(scope="module")
def actions(robots):
    return actions_of(robots[1], BATCH)


@pytest.fixture(scope="module")
def alignment(robots):
    return line_alignment(robots, HORIZON)


@pytest.fixture(scope="module")
def folder(alignment, tmp_path_factory):
    alignment.save(folder := tmp_path_factory.mktemp("alignment"))
    return folder


def guided(case, name, folder, actions, **changes):
    """lerobot's policy as the plug-in's, with the same weights."""
    import lerobot_policy_ate  # noqa: F401 (registers its policies, as lerobot does)
    from lerobot.configs.policies import PreTrainedConfig
    from lerobot.configs.types import NormalizationMode
    from lerobot.policies.factory import get_policy_class

    own = case.policy.config
    config = PreTrainedConfig.get_choice_class(TYPES[name])(
        **{item.name: getattr(own, item.name) for item in fields(own) if item.init},
        alignment=str(folder), guidance="paper", lam=LAM, clamp=CLAMP, joints=",".join(actions.joints),
    )  # fmt: skip
    config.normalization_mapping = {**own.normalization_mapping, "ACTION": NormalizationMode.MEAN_STD}
    for key, value in changes.items():
        setattr(config, key, value)
    stats = {"action": {"mean": actions.mean, "std": actions.std}}
    policy = get_policy_class(TYPES[name])(config, dataset_stats=stats).train()
    policy.load_state_dict(case.policy.state_dict())
    return policy


@pytest.mark.parametrize("name", TYPES)
def test_the_loss_is_the_one_written_by_hand(name, alignment, folder, actions, monkeypatch, tmp_path):
    case = build(name, monkeypatch, actions.values)
    policy = guided(case, name, folder, actions)
    steps = []
    for _ in range(2):
        torch.manual_seed(7)
        loss = policy(dict(case.batch))[0]
        loss.backward()
        steps.append(loss.item())
    torch.manual_seed(7)
    wanted = shifted_target_loss(case, alignment, actions, LAM, CLAMP).item()
    assert steps == pytest.approx([wanted, wanted], rel=1e-5)
    torch.manual_seed(7)
    assert abs(case.loss().item() - wanted) > 1e-3
    assert policy.guided.steps == 2
    policy.save_pretrained(tmp_path)
    told = json.loads((tmp_path / "guidance.json").read_text())
    assert told["steps"] == 2 and told["lam"] == LAM and told["verdict"] in ("acting", "clamp-dominated")


def test_without_an_alignment_it_is_lerobots_own(alignment, folder, actions, monkeypatch):
    case = build("DiffusionPolicy", monkeypatch, actions.values)
    policy = guided(case, "DiffusionPolicy", folder, actions, alignment="")
    torch.manual_seed(7)
    loss = policy(dict(case.batch))[0]
    torch.manual_seed(7)
    assert torch.equal(loss, case.loss()) and policy.guided is None


def test_actions_that_are_not_normalised_are_refused(folder, actions, monkeypatch):
    from lerobot.configs.types import NormalizationMode

    case = build("DiffusionPolicy", monkeypatch, actions.values)
    policy = guided(case, "DiffusionPolicy", folder, actions)
    policy.config.normalization_mapping = {"ACTION": NormalizationMode.IDENTITY}
    with pytest.raises(InputError, match="MEAN_STD"):
        policy(dict(case.batch))
    policy.eval()
    with torch.no_grad():
        policy(dict(case.batch))


def test_the_weights_are_lerobots(folder, actions, monkeypatch):
    case = build("DiffusionPolicy", monkeypatch, actions.values)
    policy = guided(case, "DiffusionPolicy", folder, actions)
    policy(dict(case.batch))[0].backward()
    assert policy.state_dict().keys() == case.policy.state_dict().keys()
    assert policy.name == "ate_diffusion"


@pytest.mark.parametrize("name", TYPES.values())
def test_processors_are_found_by_the_names_that_lerobot_looks_for(name):
    from lerobot.configs.policies import PreTrainedConfig
    from lerobot_policy_ate import configuration_guided, processor_guided

    assert PreTrainedConfig.get_choice_class(name).__module__ == configuration_guided.__name__
    own = name.removeprefix("ate_")
    made = getattr(processor_guided, f"make_{name}_pre_post_processors")
    assert made.__name__ == f"make_{own}_pre_post_processors" and made.__module__.startswith("lerobot.policies.")
    with pytest.raises(AttributeError):
        processor_guided.make_other_pre_post_processors  # noqa: B018
