"""The record of guidance: one default for everybody, presets, and every option in every place by its field alone."""

import json
import math
from dataclasses import fields, replace

import click
import pytest
from click.testing import CliRunner

from ate.align.vae import InfoVAE
from ate.align.vae_config import VAEConfig
from ate.cli.compare import compare
from ate.cli.guidance_options import guidance_options
from ate.cli.steer import steer
from ate.errors import InputError
from ate.experiments.export import tidy
from ate.experiments.settings import settings
from ate.experiments.sweep import AXES
from ate.steer import Guidance, GuidanceConfig
from ate.steer.guidance_config import OPTIONS, PRESETS
from ate.viz.figures.parallel import SPEC
from tests.viz.samples import cells

FIELDS = fields(GuidanceConfig)
UNUSUAL = GuidanceConfig(1.5, 0.1, "x_t", "mean", "sample", "norm", "alpha", -1)


def typed(*words):
    """What a command takes from these words."""
    taken = []

    @click.command()
    @guidance_options
    def command(guidance, **options):
        taken.append(GuidanceConfig.of(guidance, {name: value for name, value in options.items() if value is not None}))

    CliRunner().invoke(command, words, catch_exceptions=False, standalone_mode=False)
    return taken[0]


def test_who_types_nothing_gets_the_same_everywhere():
    """The library and `ate steer`: the latent auxiliary loss; studies, which have the old robots' data: tool motion."""
    library = Guidance(InfoVAE(VAEConfig(features=4, latent=4, layers=1, heads=1, feedforward=8))).config
    assert library == typed() == PRESETS["auxiliary"] and settings({}).guidance == PRESETS["tool-motion"]
    assert library == GuidanceConfig(1.0, math.inf, "x0_hat", "sum", "mean", "value", "constant", 1)


def test_presets_are_the_paper_and_its_released_code():
    """METHOD.md §4, rows 6 to 9: the energy, the latents in it, the clamp and λ."""
    paper, released = PRESETS["paper"], PRESETS["released"]
    assert (paper.reduction, paper.latent, paper.clamp, paper.lam) == ("sum", "mean", math.inf, 2.0)
    assert (released.reduction, released.latent, released.clamp, released.lam) == ("mean", "sample", 0.1, 3.0)
    assert (released.clip, released.sign, released.schedule) == ("value", 1, "constant")
    # Both take it at the noised chunk, and differ in nothing else.
    assert paper.energy_at == released.energy_at == "x_t"
    assert replace(released, reduction="sum", latent="mean", clamp=math.inf, lam=2.0) == paper


@pytest.mark.parametrize("config", [*PRESETS.values(), UNUSUAL], ids=[*PRESETS, "unusual"])
def test_a_record_survives_json_and_text(config):
    assert GuidanceConfig.from_dict(json.loads(json.dumps(config.to_dict(), allow_nan=False))) == config
    assert GuidanceConfig.of(options={name: str(getattr(config, name)) for name in OPTIONS}) == config


def test_equal_records_have_one_key_and_the_scale_is_no_part_of_the_gradients():
    assert GuidanceConfig(lam=2).key == GuidanceConfig(lam=2.0).key
    assert json.dumps(GuidanceConfig(lam=2, sign=-1.0).to_dict()) == json.dumps(
        GuidanceConfig(lam=2.0, sign=-1).to_dict()
    )
    scaled = replace(UNUSUAL, lam=3.0, clamp=math.inf, clip="value", schedule="constant", sign=1)
    assert scaled.key != UNUSUAL.key and scaled.gradient_key == UNUSUAL.gradient_key
    for name in ("energy_at", "reduction", "latent"):
        assert replace(UNUSUAL, **{name: getattr(GuidanceConfig(), name)}).gradient_key != UNUSUAL.gradient_key


@pytest.mark.parametrize(
    ("config", "options", "where", "got"),
    [
        ("papr", {}, "guidance preset", "'papr'"),
        (2.0, {}, "guidance", "2.0"),
        (None, {"lamda": 1.0}, "guidance", "'lamda'"),
        (None, {"lam": "two"}, "lam in guidance", "'two'"),
        (None, {"lam": -1.0}, "guidance, lam", "-1.0"),
        (None, {"lam": math.inf}, "guidance, lam", "inf"),
        (None, {"clamp": 0.0}, "guidance, clamp", "0.0"),
        (None, {"energy_at": "noised"}, "guidance, energy_at", "'noised'"),
        (None, {"sign": 0}, "guidance, sign", "'0'"),
    ],
)
def test_what_is_no_guidance_is_refused(config, options, where, got):
    with pytest.raises(InputError) as refused:
        GuidanceConfig.of(config, options)
    assert (refused.value.where, refused.value.got) == (where, got)


def test_a_label_names_lambda_and_clamp_and_what_is_unusual():
    assert GuidanceConfig().label() == "λ=1, c=∞"
    assert PRESETS["paper"].label() == "λ=2, c=∞, energy at x_t"
    # At pre-training observations the energy is of the estimate's mean: not every option can be unusual at once.
    assert UNUSUAL.unusual() == list(OPTIONS[2:-1]) and list(UNUSUAL.labels()) == list(OPTIONS)
    assert PRESETS["tool-motion"].label() == "λ=1, c=∞, at pretraining observations"
    assert len(set(UNUSUAL.labels().values())) == len(OPTIONS)


@pytest.mark.parametrize("option", FIELDS, ids=OPTIONS)
def test_an_option_is_a_change_of_one_file(option):
    """Each field is an option of the commands, an axis, a column and an axis of figures; notebooks: test_settings."""
    value = getattr(UNUSUAL, option.name)
    assert getattr(typed(f"--{option.name.replace('_', '-')}", str(value)), option.name) == value
    for command in (steer, compare):
        (parameter,) = [p for p in command.params if p.name == option.name]
        assert parameter.default is None and option.metadata["help"] in parameter.help
    assert option.name in (*AXES, "lam", "clamp") and option.name in SPEC
    assert option.name in tidy(cells(1)[:2]).columns


def test_a_preset_on_the_command_line_is_changed_by_what_stands_with_it():
    assert typed("--guidance", "released", "--clamp", "inf") == replace(PRESETS["released"], clamp=math.inf)
