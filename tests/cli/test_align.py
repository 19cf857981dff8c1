"""`ate align`, as the release's users and ours call it; and Best and Last."""

import json

import numpy as np
import pytest
import torch
from click.testing import CliRunner

import ate.align
from ate.align import AlignConfig, Alignment
from ate.align.trainer import Best
from ate.cli.align import align
from ate.errors import InputError
from ate.runs import loop
from tests.conftest import write_episode

SMALL = ("layers=3", "heads=2", "feedforward=16", "batch=16", "unit=steps", "pretrain_steps=24", "adapt_steps=12",
         "learning_rate=0.001")  # fmt: skip


def record(folder, seed, dof, episodes=6, steps=24):
    rng = np.random.default_rng(seed)
    for i in range(episodes):
        time = np.linspace(0, 1, steps)[:, None]
        qpos = rng.normal(size=dof) * time + np.sin(3 * time * rng.normal(size=dof))
        write_episode(folder, i, qpos.astype(np.float32))
    return folder


@pytest.fixture
def yaml_file(tmp_path):
    """A file as the release documents it, over two sets of 7 columns."""
    record(tmp_path / "pretrain_data", 0, 7)
    record(tmp_path / "adapt_data", 1, 7)

    def write(**changed):
        fields = {
            "pretraining_dataset_dir": tmp_path / "pretrain_data",
            "adaptation_dataset_dir": tmp_path / "adapt_data",
            "s_length": 8, "in_channels": 7, "latent_dim": 8, "isAuto": True, "enable_resume": False,
            "pretrained_model_dir": tmp_path / "run", **changed,
        }  # fmt: skip
        file = tmp_path / "released.yaml"
        file.write_text("".join(f"{name}: {value}\n" for name, value in fields.items()))
        return file

    return write


def call(*arguments, small=SMALL):
    result = CliRunner().invoke(align, [*map(str, arguments), *(word for p in small for word in ("-p", p))])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.mark.slow
def test_a_released_yaml_trains_both_stages(yaml_file, tmp_path):
    result = call("--config", yaml_file(), "--out", tmp_path / "run")
    assert result.exit_code == 0 and "Verdict: " in result.output
    alignment = Alignment.load(tmp_path / "run")
    assert alignment.config.kl_direction == "forward" and alignment.config.latent == 8
    for stage, vae in (("pretrain", alignment.pretrain_vae), ("adapt", alignment.vae)):
        last = ate.align.load_released(tmp_path / "run" / f"vae_{stage}_Last.pth", heads=2)
        assert all(torch.equal(value, last.state_dict()[key]) for key, value in vae.state_dict().items())
        rows = [json.loads(line) for line in (tmp_path / "run" / stage / "metrics.jsonl").read_text().splitlines()]
        lowest = min(rows, key=lambda row: row["held_loss"])
        best = Best.of(tmp_path / "run" / stage)
        assert (best.loss, best.step) == (lowest["held_loss"], lowest["step"])
        written = ate.align.load_released(tmp_path / "run" / f"vae_{stage}_Best.pth", heads=2)
        assert all(torch.equal(value, written.state_dict()[key]) for key, value in best.weights.items())
    card = json.loads((tmp_path / "run" / "card.json").read_text())
    assert card["config"]["chunk"] == 8 and set(card["hashes"]) == {"pretrain/0", "adapt"}


@pytest.mark.slow
def test_resume_is_a_field_of_the_yaml(yaml_file, tmp_path):
    whole = call("--config", yaml_file(), "--out", tmp_path / "whole")
    assert whole.exit_code == 0

    class Stopped(Exception):
        pass

    stored = loop._store

    def stop(*arguments):
        stored(*arguments)
        raise Stopped

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "_store", stop)
        with pytest.raises(Stopped):
            call("--config", yaml_file(), "--out", tmp_path / "run")
    with pytest.raises(InputError, match=r"got a run.*resume"):
        call("--config", yaml_file(), "--out", tmp_path / "run")
    with pytest.raises(InputError, match="leave --out away"):
        call("--config", yaml_file(enable_resume=True), "--out", tmp_path / "elsewhere")
    assert call("--config", yaml_file(enable_resume=True)).exit_code == 0
    for name in ("vae_pretrain_Best", "vae_pretrain_Last", "vae_adapt_Best", "vae_adapt_Last"):
        one, other = (torch.load(tmp_path / run / f"{name}.pth", weights_only=True) for run in ("whole", "run"))
        assert one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


@pytest.mark.slow
def test_one_stage_after_the_other(yaml_file, tmp_path):
    first = call("--config", yaml_file(isAuto=False), "--out", tmp_path / "run")
    assert "Stage 1 is finished" in first.output and not (tmp_path / "run" / "alignment.safetensors").exists()
    before = (tmp_path / "run" / "vae_pretrain_Last.pth").read_bytes()
    second = call("--config", yaml_file(isAuto=False, start_stage="Stage2"))
    assert "Verdict" in second.output
    assert (tmp_path / "run" / "vae_pretrain_Last.pth").read_bytes() == before
    whole = call("--config", yaml_file(), "--out", tmp_path / "whole")
    assert whole.exit_code == 0
    one, other = Alignment.load(tmp_path / "run").vae, Alignment.load(tmp_path / "whole").vae
    assert all(torch.equal(value, other.state_dict()[key]) for key, value in one.state_dict().items())


def test_what_does_not_fit_is_refused_before_training(yaml_file, tmp_path):
    with pytest.raises(InputError, match=r"in_channels: 14.*expected 7.*set in_channels to 7"):
        call("--config", yaml_file(in_channels=14), "--out", tmp_path / "run")
    with pytest.raises(InputError, match="no checkpoint of a run"):
        call("--config", yaml_file(resume=True, enable_resume=True))
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "theirs_Best.pth").write_bytes(b"")
    with pytest.raises(InputError, match=r"theirs_Best\.pth.*load_released"):
        call("--config", yaml_file(enable_resume=True))
    for option, where in (("layer=3", "-p"), ("layers", "-p"), ("layers=three", "layers in -p")):
        with pytest.raises(InputError) as error:
            call("--config", yaml_file(), small=[option])
        assert error.value.where == where
    assert "both --pretrain and --adapt" in call("--pretrain", tmp_path / "pretrain_data").output
    assert call("--config", yaml_file(), "--adapt", tmp_path / "adapt_data").exit_code == 2
    assert [file.name for file in (tmp_path / "run").iterdir()] == ["theirs_Best.pth"]


@pytest.mark.slow
def test_our_options_and_running_again_goes_on(yaml_file, tmp_path):
    yaml_file()
    words = (
        "--preset",
        "smoke",
        "--pretrain",
        tmp_path / "pretrain_data",
        "--adapt",
        tmp_path / "adapt_data",
        "--out",
        tmp_path / "ours",
    )
    small = (*SMALL, "chunk=8", "latent=8", "keep=best")
    one = call(*words, "--seed", 3, small=small)
    assert one.exit_code == 0
    alignment = Alignment.load(tmp_path / "ours")
    assert alignment.seed == 3
    best = Best.of(tmp_path / "ours" / "adapt").weights
    assert all(torch.equal(value, best[key]) for key, value in alignment.vae.state_dict().items())
    # The release has neither an own read-out nor a linear path, which this preset has.
    assert not list((tmp_path / "ours").glob("*.pth"))
    weights = (tmp_path / "ours" / "adapt" / loop.LAST).read_bytes()
    again = call(*words, "--seed", 3, small=small)
    assert again.stdout == one.stdout and (tmp_path / "ours" / "adapt" / loop.LAST).read_bytes() == weights


def test_best_keeps_the_lowest_finite_loss():
    vae = ate.align.InfoVAE(ate.align.VAEConfig(2, latent=4, layers=1, heads=1, feedforward=4))
    best = Best()
    assert torch.equal(best.into(vae).embed.weight, vae.embed.weight)
    for step, (loss, value) in enumerate(
        [(float("nan"), 0.0), (2.0, 1.0), (1.0, 2.0), (1.5, 3.0), (float("nan"), 4.0)]
    ):
        with torch.no_grad():
            vae.embed.weight.fill_(value)
        best.offer(loss, step, vae)
    again = Best()
    again.load_state_dict(best.state_dict())
    assert (again.loss, again.step) == (1.0, 2)
    assert torch.all(again.into(vae).embed.weight == 2.0) and torch.all(vae.embed.weight == 4.0)


def test_a_checkpoint_of_another_version_is_refused(tmp_path):
    module = torch.nn.Linear(1, 1)
    loop.train(lambda i: {"a": torch.zeros(())}, {"one": module}, 2, directory=tmp_path)
    with pytest.raises(InputError, match="another version"):
        loop.train(lambda i: {"a": torch.zeros(())}, {"one": module, "best": Best()}, 2, directory=tmp_path)
    with pytest.raises(InputError, match="another version"):
        Best.of(tmp_path)


def test_keep_is_an_option():
    with pytest.raises(InputError, match="keep"):
        AlignConfig(keep="first")
