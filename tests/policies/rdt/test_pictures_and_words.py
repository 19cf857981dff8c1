"""From raw pictures and words to a guided loss and a sampled chunk, with tiny random encoders and weights."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from ate.align import fit
from ate.align.config import preset
from ate.cli.main import main
from ate.errors import InputError
from ate.policies.rdt import Conditions, Embeddings, LanguageEncoder, Release, Samples, TunedPolicy, VisionEncoder, load
from ate.policies.rdt.actor import RDTActor
from ate.policies.recorded import Recorded
from ate.steer import open_loop
from ate.steer.rdt_finetuning import finetune_rdt, guided_rdt
from tests.policies.rdt.scene import CONFIG, PATCHES, TASK, picture, robots, siglip, t5, weights
from tests.policies.rdt.tiny import refused

pytest.importorskip("transformers", reason="an extra: pip install 'ate[rdt]'")
pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rdt")
    old, new = robots(folder / "robots")
    config = preset("smoke").with_options(chunk=8, held_out=0.25, pretrain_steps=200, adapt_steps=150)
    fit([old], new, config).save(folder / "alignment")
    siglip(folder / "siglip"), t5(folder / "t5"), weights(folder / "weights")
    return folder, new


@pytest.fixture(scope="module")
def encoders(home):
    folder, _ = home
    return VisionEncoder.of(folder / "siglip"), LanguageEncoder.of(folder / "t5", most=9)


@pytest.fixture(scope="module")
def samples(home, encoders):
    folder, new = home
    vision, language = encoders
    conditions = Conditions.of(new, CONFIG, Release(), Embeddings(folder / "kept"), vision=vision, language=language)
    return Samples.of(new, conditions, CONFIG)


def test_pictures_come_to_the_encoder_as_its_own_processor_brings_them(encoders):
    processors = pytest.importorskip("transformers.models.siglip.image_processing_pil_siglip")
    vision, _ = encoders
    given = np.stack([picture(0, row, (24, 24, 3)) for row in range(2)])
    own = processors.SiglipImageProcessorPil(
        image_mean=list(vision.mean), image_std=list(vision.std), size={"height": 16, "width": 16}
    )
    wanted = own(list(given), return_tensors="pt")["pixel_values"]
    torch.testing.assert_close(vision.inputs(given), wanted, atol=1e-5, rtol=0)
    # A wide picture lies in the middle of a square of the background.
    wide = vision.inputs(np.zeros((1, 8, 16, 3), np.uint8))
    assert torch.allclose(wide[0, :, 0], vision.inputs(vision.background[None])[0, :, 0], atol=1e-6)
    assert (wide[0, :, 8] < -0.7).all()


def test_a_sample_holds_what_each_camera_saw_now_and_before(samples, encoders):
    vision, language = encoders
    assert samples.conditions.cameras == ("front", "wrist", "")
    batch = samples.batch([0, 47])
    nothing = vision(vision.background[None])[0]
    now = [vision(picture(1, 7)[None])[0], vision(picture(11, 7, (16, 16, 3))[None])[0], nothing]
    before = [vision(picture(1, 6)[None])[0], vision(picture(11, 6, (16, 16, 3))[None])[0], nothing]
    near = {"atol": 2e-3, "rtol": 1e-3}
    torch.testing.assert_close(batch["img_tokens"][1], torch.cat([*before, *now]), **near)
    # At an episode's first row there is no picture before.
    torch.testing.assert_close(batch["img_tokens"][0, : 3 * PATCHES], torch.cat([nothing] * 3), **near)
    torch.testing.assert_close(batch["lang_tokens"][0], language(TASK))
    assert len(language("")) == 1 and len(language(TASK)) == 5
    some = samples.batch(np.arange(160), np.random.default_rng(0))
    assert some["lang_attn_mask"].sum(1).unique().tolist() == [1, 5]


def test_embeddings_are_kept_and_known_by_what_they_are_of(home, encoders, samples, monkeypatch):
    folder, new = home
    vision, language = encoders
    monkeypatch.setattr(VisionEncoder, "__call__", None)
    monkeypatch.setattr(LanguageEncoder, "__call__", None)
    again = Conditions.of(new, CONFIG, Release(), Embeddings(folder / "kept"), vision=vision, language=language)
    assert np.array_equal(again.seen(2, 9), samples.conditions.seen(2, 9))
    with pytest.raises(TypeError):
        Embeddings(folder / "kept").words("push", language)


def test_the_guided_loss_is_the_shifted_target_at_the_robots_slots(home, samples):
    from ate.align import Alignment

    folder, _ = home
    runner, alignment = load(folder / "weights").train(), Alignment.load(folder / "alignment")
    batch = samples.batch(np.arange(0, 160, 7))
    noise = torch.randn(batch["action_gt"].shape, generator=torch.Generator().manual_seed(1))
    step = {**batch, "noise": noise, "timesteps": torch.linspace(5, 900, len(noise)).long()}
    heard = []
    watching = runner.model.register_forward_hook(lambda *call: heard.append(call[2]))
    plain = runner.compute_loss(**step)
    watching.remove()
    with guided_rdt(runner, samples, alignment, "paper") as guided:
        loss = runner.compute_loss(**step)
    loss.backward()
    shifted = (heard[0] + guided.shift - batch["action_gt"]).square().mean()
    assert loss.item() == pytest.approx(shifted.item(), rel=1e-5) and loss.item() != pytest.approx(
        plain.item(), rel=1e-3
    )
    elsewhere = torch.ones(128, dtype=torch.bool)
    elsewhere[list(samples.embodiment.slots)] = False
    assert not guided.shift[..., elsewhere].any() and guided.shift[..., ~elsewhere].any()
    # By hand: the encoder sees the joints in the alignment's units.
    own, slots = alignment.space.normalizer, list(samples.embodiment.slots)
    center, half = (torch.as_tensor(part, dtype=torch.float32) for part in (own.center, own.half_range))
    bar = runner.noise_scheduler.alphas_cumprod[step["timesteps"]][:, None, None]
    a0 = batch["action_gt"][..., slots]
    x = (bar.sqrt() * a0 + (1 - bar).sqrt() * noise[..., slots]).requires_grad_(True)
    apart = [alignment.vae.encode(value).mean for value in ((x - bar.sqrt() * center) / half, (a0 - center) / half)]
    g = -torch.autograd.grad((apart[0] - apart[1].detach()).square().sum(), x)[0]
    wanted = guided.guidance.config.lam * (1 - bar) / bar.sqrt() * g
    torch.testing.assert_close(guided.shift[..., slots], wanted, rtol=1e-3, atol=1e-5 * float(wanted.abs().max()))


def test_a_sampled_chunk_is_in_the_robots_columns_and_radians(home, samples, encoders, monkeypatch):
    """A network that knows the recorded chunk is read back as recorded; one that does not hears and sees."""
    folder, new = home
    runner = load(folder / "weights")
    words = {TASK: torch.from_numpy(samples.conditions.words[0]), "": torch.from_numpy(samples.conditions.silence)}
    policy = TunedPolicy(
        runner, folder / "weights", 0, Release(), samples.embodiment, 20.0, samples.conditions.cameras, words, *encoders
    )
    actor, recorded = RDTActor(policy), Recorded(new)
    seen = recorded.observation(47)
    chunk = actor(seen)
    assert chunk.shape == (8, 5) and actor.joint_names == new.joint_names
    for change in ({"task": "push"}, {"images": {**seen["images"], "front": seen["images"]["front"] // 2}}):
        actor.reset(0)
        other = actor({**seen, **change})
        actor.reset(0)
        assert np.array_equal(actor(seen), chunk) and not np.array_equal(other, chunk)
    assert refused(lambda: actor({"qpos": seen["qpos"], "task": TASK})).expected.startswith("one of 'front'")
    assert refused(lambda: actor({**seen, "qpos": seen["qpos"][:4]})).got == "qpos of shape (4,)"
    known = iter(torch.from_numpy(samples.embodiment.scatter(recorded.chunks(np.array([row]), 8).astype("f4")))
                 for row in torch.linspace(0, 159, 6).long().tolist() for _ in range(5))  # fmt: skip
    monkeypatch.setattr(runner.model, "forward", lambda *_, **__: next(known))
    assert max(open_loop(actor, new, places=6).values()) < 1e-4


def words_of(folder, out, *more):
    given = {"weights": "weights", "base": "weights/base.yaml", "adapt": "robots/new", "vision": "siglip",
             "language": "t5", "cache": "kept"}  # fmt: skip
    options = [word for name, path in given.items() for word in (f"--{name}", str(folder / path))]
    return ["rdt", *options, "--out", str(out), "--steps", "6", "--batch", "16", *map(str, more)]


def ended(words):
    with pytest.raises(SystemExit) as caught:
        main(words)
    return caught.value.code


def test_one_command_from_recordings_to_a_guided_policy(home, tmp_path, capsys):
    folder, new = home
    guiding = ("--alignment", folder / "alignment", "--lora-rank", 2, "--evaluate", 4)
    assert ended(words_of(folder, tmp_path / "run", *guiding)) == 0
    printed = capsys.readouterr().out
    card = json.loads((tmp_path / "run/card.json").read_text())
    assert card["meter_verdict"] in ("inactive", "acting", "clamp-dominated") and "Memory of a step" in printed
    assert set(card["open_loop"]) == set(new.joint_names) and len(card["loss"]) == 6
    policy = TunedPolicy.load(tmp_path / "run")
    adapted = [name for name, _ in policy.runner.named_parameters() if "lora_B" in name]
    assert adapted and any(policy.runner.get_parameter(name).any() for name in adapted)
    actor, seen = RDTActor.load(tmp_path / "run"), Recorded(new).observation(3)
    assert actor(seen).shape == (8, 5)
    # The same command reads the finished run back; without guidance it is another run.
    assert ended(words_of(folder, tmp_path / "run", *guiding)) == 0
    assert ended(words_of(folder, tmp_path / "run", "--lora-rank", 2)) == 2
    assert "another run" in capsys.readouterr().err


def test_the_code_of_the_page_runs(home, monkeypatch, capsys):
    monkeypatch.chdir(home[0])
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs/rdt.md").read_text(), re.S)
    exec(compile(code, "rdt.md", "exec"), {"__name__": "rdt"})  # our own document
    loss, verdict = capsys.readouterr().out.split()[-2:]
    assert float(loss) > 0 and verdict in ("inactive", "acting", "clamp-dominated")


def test_a_run_that_was_stopped_goes_on_to_the_same_bits(home, samples, tmp_path):
    folder, _ = home

    def trained(directory, *legs):
        for steps in legs:
            runner = load(folder / "weights")
            finetune_rdt(runner, samples, directory=directory, steps=steps, batch=3)
        return torch.cat([weight.flatten() for weight in runner.parameters()])

    assert torch.equal(trained(tmp_path / "a", 2, 5), trained(tmp_path / "b", 5))
    for option, got in (({"ema": 0.9}, "ema 0.9"), ({"precision": "tf32"}, "precision tf32")):
        assert (
            refused(lambda option=option: finetune_rdt(load(folder / "weights"), samples, steps=1, **option)).got == got
        )


@pytest.mark.parametrize("precision", ["mixed", "bf16"])
def test_half_precision_trains_and_acts(home, tmp_path, precision):
    folder, new = home
    assert ended(words_of(folder, tmp_path, "--alignment", folder / "alignment", "--precision", precision)) == 0
    chunk = RDTActor.load(tmp_path)(Recorded(new).observation(3))
    assert np.isfinite(chunk).all()


def test_encoders_of_another_size_and_other_folders_are_refused(home, encoders, tmp_path):
    folder, new = home
    vision, language = encoders
    kept = Embeddings(tmp_path / "kept")

    def made(**words):
        return refused(lambda: Conditions.of(new, CONFIG, Release(), kept, **words))

    wide = made(vision=VisionEncoder.of(siglip(tmp_path / "wide", hidden=16)))
    assert wide.got == "an encoder of 4 tokens of 16 numbers a picture" and wide.expected.startswith("4 tokens of 12")
    large = made(vision=VisionEncoder.of(siglip(tmp_path / "large", size=24)))
    assert large.got == "an encoder of 9 tokens of 12 numbers a picture" and large.where == str(tmp_path / "large")
    assert made(language=LanguageEncoder.of(t5(tmp_path / "t5", width=8))).got == "an encoder of 8 numbers a token"
    assert refused(lambda: VisionEncoder.of(folder / "t5")).got == "an encoder of type 't5'"
    assert refused(lambda: LanguageEncoder.of(folder / "siglip")).got == "an encoder of type 'siglip_vision_model'"
    assert refused(lambda: LanguageEncoder.of(tmp_path / "none")).got == "no config.json"
    (folder / "siglip/config.json").rename(tmp_path / "config.json")
    with pytest.raises(InputError, match=r"no config\.json"):
        VisionEncoder.of(folder / "siglip")
    (tmp_path / "config.json").rename(folder / "siglip/config.json")
    long = refused(lambda: language("lift " * 9))
    assert long.got.startswith("an instruction of 10 tokens") and long.expected.startswith("at most 9")
    blind = refused(lambda: Conditions.of(robots(tmp_path / "two")[0], CONFIG, Release(), kept, vision=vision))
    assert blind.got == "no cameras"


def test_changed_weights_and_encoders_of_a_policy_are_noticed(home, samples, tmp_path):
    vision, language = VisionEncoder.of(siglip(tmp_path / "siglip")), LanguageEncoder.of(t5(tmp_path / "t5"), most=9)
    base = weights(tmp_path / "weights")
    words = {"": torch.from_numpy(samples.conditions.silence)}
    policy = TunedPolicy(
        load(base), base, 0, Release(), samples.embodiment, 20.0, ("front", "", ""), words, vision, language
    )
    policy.save(tmp_path / "policy.safetensors")
    again = TunedPolicy.load(tmp_path)
    assert all(torch.equal(*pair) for pair in zip(again.runner.parameters(), policy.runner.parameters(), strict=True))
    file = tmp_path / "t5/config.json"
    whole = file.read_text()
    file.write_text(whole.replace("relu", "gelu"))
    assert str(tmp_path / "t5") in refused(lambda: TunedPolicy.load(tmp_path)).where
    file.write_text(whole)
    file = tmp_path / "siglip/preprocessor_config.json"
    file.write_text(file.read_text().replace("0.4", "0.3"))
    assert str(tmp_path / "siglip") in refused(lambda: TunedPolicy.load(tmp_path)).where
    save_file(policy.runner.state_dict(), base / "rdt.safetensors", metadata={"other": "one"})
    assert str(base) in refused(lambda: TunedPolicy.load(tmp_path)).where
