"""`ate steer` with the options of the optimiser and evaluation on the way."""

import json
from dataclasses import replace

import pytest
import torch
from click.testing import CliRunner

from ate.align.config import preset
from ate.align.stages import fit
from ate.cli.steer import steer
from ate.data import load
from ate.errors import InputError
from ate.experiments.settings import SHIPPED
from ate.policies import Policy, build
from ate.steer import Goals, Guidance, Replay, dry_run, finetune, retarget


@pytest.fixture
def given(make_set, tmp_path):
    torch.set_num_threads(1)
    old, new = make_set("old", joints=7), make_set("new", joints=6, seed=1, episodes=6)
    alignment = fit(old, new, replace(preset("smoke"), chunk=8, pretrain_steps=4, adapt_steps=4), tmp_path / "aligned")
    policy = build([old], 8, seed=0, width=alignment.space.width, hidden=16)
    policy.save(tmp_path / "policy.safetensors")
    words = ["--policy", tmp_path / "policy.safetensors", "--alignment", tmp_path / "aligned", "--adapt",
             new[0].path.parent, "--out", tmp_path / "out", "--steps", 8, "--batch", 8, "--clamp", 0.1]  # fmt: skip
    return [str(word) for word in words], policy, alignment, new


@pytest.mark.slow
def test_options_reach_the_training_and_the_card(given, tmp_path):
    words, policy, alignment, new = given
    more = [
        "--ema",
        "0.9",
        "--warmup",
        "2",
        "--accumulate",
        "2",
        "--cosine",
        "--max-grad-norm",
        "1",
        "--evaluate-every",
        "4",
    ]
    done = CliRunner().invoke(steer, [*words, *more, "--evaluate-every", "4"], catch_exceptions=False)
    assert done.exit_code == 0 and "Error on held-out episodes" in done.output
    card = json.loads((tmp_path / "out" / "card.json").read_text())
    assert [row["step"] for row in card["evaluation"]] == [4, 8]
    assert (card["config"]["ema"], card["config"]["accumulate"], card["config"]["lr_schedule"]) == (0.9, 2, "cosine")
    train, _ = new.split(0.1, 0)
    optim = {"ema": 0.9, "warmup": 2, "accumulate": 2, "lr_schedule": "cosine", "max_grad_norm": 1.0, "steps": 8}
    same = finetune(policy, train, Guidance.of(alignment, clamp=0.1), **optim, batch=8)
    kept = Policy.load(tmp_path / "out" / "policy.safetensors")
    assert all(torch.equal(a, b) for a, b in zip(same.policy.parameters(), kept.parameters(), strict=True))


@pytest.mark.slow
def test_bad_options_are_refused_before_anything_is_written(given, tmp_path):
    words, *_ = given
    for more, found in (
        (["--ema", "2"], "ema"),
        (["--precision", "half"], "precision"),
        (["--rollouts", "3"], "rollouts"),
    ):
        with pytest.raises(InputError, match=found):
            CliRunner().invoke(steer, [*words, *more], catch_exceptions=False)
    assert not (tmp_path / "out").exists()


@pytest.fixture
def placed(tmp_path):
    """Robots whose kinematics are known: a motion alignment, a policy, and where the episodes are."""
    torch.set_num_threads(1)
    few = {}
    for robot, role in (("panda", "pretrain"), ("ur5e", "adapt")):
        folder = few[robot] = tmp_path / robot
        folder.mkdir()
        for file in sorted((SHIPPED / "lift" / role / robot).iterdir())[:4]:
            (folder / file.name).write_bytes(file.read_bytes())
    old, new = load(few["panda"]), load(few["ur5e"])
    config = preset("smoke-motion").with_options(chunk=8, pretrain_steps=4)
    alignment = fit(old, new, config, tmp_path / "aligned")
    policy = build([old], 8, seed=0, width=alignment.space.width, hidden=16)
    policy.save(tmp_path / "policy.safetensors")
    words = ["--policy", tmp_path / "policy.safetensors", "--adapt", few["ur5e"], "--steps", 4, "--batch", 8]
    return [str(word) for word in words], policy, alignment, (old, new), few["panda"]


@pytest.mark.slow
def test_the_methods_of_a_comparison_are_methods_of_the_command(placed, tmp_path):
    words, policy, alignment, (old, new), pretrain = placed
    made = retarget(old, "ur5e", joint_names=new.joint_names)
    aligned = ["--alignment", str(tmp_path / "aligned")]
    found = {}
    for name, more in {
        "direct": ["--method", "direct"],
        "retarget": ["--method", "retarget", "--pretrain", str(pretrain)],
        "guidance": ["--guidance", "tool-motion", "--lam", "3", "--pretrain", str(pretrain), *aligned],
    }.items():
        done = CliRunner().invoke(steer, [*words, *more, "--out", str(tmp_path / name)], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        found[name] = Policy.load(tmp_path / name / "policy.safetensors")
        card = json.loads((tmp_path / name / "card.json").read_text())
        assert card["config"]["method"] == name and bool(card["meter"]) == (name == "guidance")
    goals = Goals.of(alignment, [old], made)
    guided = Guidance.of(alignment, "tool-motion", lam=3.0, goals=goals)
    replay = Replay.of(made, alignment.space)
    expected = {
        "direct": finetune(policy, new, steps=4, batch=8),
        "retarget": finetune(policy, new, replay=Replay.of(made, found["retarget"].spaces[0]),
                             space=found["retarget"].spaces[0], steps=4, batch=8),
        "guidance": finetune(policy, new, guided, replay=replay, steps=4, batch=8),
    }  # fmt: skip
    for name, done in expected.items():
        same = zip(done.policy.parameters(), found[name].parameters(), strict=True)
        assert all(torch.equal(a, b) for a, b in same), name


@pytest.mark.slow
def test_what_a_method_lacks_is_named_before_anything_is_written(placed, tmp_path):
    words, *_ = placed
    for more, needed in (
        ([], "no --alignment"),
        (["--method", "retarget"], "no --pretrain"),
        (["--alignment", str(tmp_path / "aligned"), "--guidance", "tool-motion"], "no --pretrain"),
    ):
        with pytest.raises(InputError, match=needed):
            out = ["--out", str(tmp_path / "out")]
            CliRunner().invoke(steer, [*words, *more, *out], catch_exceptions=False, standalone_mode=False)
        assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_another_robots_alignment_is_refused_before_anything_is_measured(given, make_set, tmp_path):
    words, policy, alignment, _ = given
    other = make_set("other", joints=7, seed=2, episodes=4)
    words[words.index("--adapt") + 1] = str(other[0].path.parent)
    for more in ([], ["--meter-only"], ["--guidance", "paper"]):
        with pytest.raises(InputError) as error:
            CliRunner().invoke(steer, [*words, *more], catch_exceptions=False)
        assert error.value.where == str(tmp_path / "aligned") and "ate align" in error.value.fix
        assert "new" in error.value.got and "other" in error.value.expected
    assert not (tmp_path / "out").exists()
    with pytest.raises(InputError):
        dry_run(policy.moved_to(alignment.space), other, Guidance.of(alignment))
