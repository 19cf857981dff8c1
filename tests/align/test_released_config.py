"""YAML files of the release: taken as they stand, in both spellings, or refused with one clear message."""

from pathlib import Path

import pytest

from ate.align.config import preset
from ate.align.released.config import read_seed_config
from ate.errors import InputError
from ate.runs.yaml import LARGEST

DOCUMENTED = """
# the fields that its documentation names
pretraining_dataset_dir: "/data/pretrain"
adaptation_dataset_dir: "/data/adapt"
s_length: 16
in_channels: 14
latent_dim: 64
isAuto: True
enable_resume: False
pretrained_model_dir: "/runs/one"
"""
BASE = """
in_channels: 128
latent_dim: 512
batch_size: 32
SA_step: 1
min_lr: 1e-6
weight_decay: 1e-3
wandb_flag: True
save_every_x_epoch: 1000
max_save: 10
eval_per_x_epoch: 5
"""
STAGE = """
stage1_dataset_dir: "/data/pretrain"
stage2_dataset_dir: "/data/adapt"
enable_resume: False
pretrained_model_dir: "/runs/one"
auto_stage2: False
wandb_flag: False
start_stage: "Stage1"
learning_rate: 2e-4
latent_dim: 256
stage1_s_length: 50
stage2_s_length: 50
stage1_num_epoch: 7
stage2_num_epoch: 9
"""


@pytest.fixture
def read(tmp_path):
    def write_and_read(*texts):
        files = []
        for i, text in enumerate(texts):
            files.append(tmp_path / f"{i}.yaml")
            files[-1].write_text(text)
        return read_seed_config(files)

    return write_and_read


def test_documented_fields(read):
    file = read(DOCUMENTED)
    assert (file.pretrain, file.adapt, file.directory) == (
        Path("/data/pretrain"),
        Path("/data/adapt"),
        Path("/runs/one"),
    )
    assert (file.in_channels, file.auto, file.resume, file.notes) == (14, True, False, ())
    config = file.config(preset("released"))
    assert (config.chunk, config.latent, config.unit, config.pretrain_steps) == (16, 64, "epochs", 1000)
    assert (config.kl_direction, config.batch, config.learning_rate) == ("forward", 64, 1e-4)


def test_base_and_stage_file_later_wins(read):
    file = read(BASE, STAGE)
    config = file.config(preset("demo"))
    assert (config.latent, config.chunk, config.batch) == (256, 50, 32)
    # YAML 1.1 reads 2e-4 as text.
    assert (config.learning_rate, config.weight_decay) == (2e-4, 1e-3)
    assert (config.unit, config.pretrain_steps, config.adapt_steps) == ("epochs", 7, 9)
    assert not file.auto and file.start_stage == "Stage1"
    assert [note.split()[0] for note in file.notes] == ["min_lr", "save_every_x_epoch", "max_save", "eval_per_x_epoch"]
    assert any("wandb_flag" in note for note in read(STAGE, BASE).notes)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (DOCUMENTED + "latent_dimm: 3", ["latent_dimm", "did you mean 'latent_dim'"]),
        (DOCUMENTED + "batch_size: many", ["batch_size", "a whole number"]),
        (DOCUMENTED + "batch_size: True", ["batch_size", "a whole number"]),
        (DOCUMENTED + "learning_rate: [1]", ["learning_rate", "a number"]),
        (DOCUMENTED + "auto_stage2: False", ["isAuto: True", "auto_stage2: False"]),
        (DOCUMENTED + "resume: True", ["enable_resume: False", "resume: True"]),
        (DOCUMENTED + "s_length: 8", ["'s_length' twice"]),
        (DOCUMENTED + "SA_step: 2", ["SA_step", "expected 1"]),
        (DOCUMENTED + "start_stage: Stage3", ["start_stage", "Stage2"]),
        (STAGE.replace("stage2_s_length: 50", "stage2_s_length: 14"), ["stage2_s_length: 14", "share a chunk length"]),
        (DOCUMENTED.replace("adaptation_dataset_dir", "stage1_dataset_dir").replace("/data/adapt", "/data/pretrain"),
         ["no adaptation_dataset_dir"]),
        (STAGE.replace("enable_resume: False", "enable_resume: True").replace("pretrained_model_dir", "#"),
         ["resume without pretrained_model_dir"]),
        ("", ["got nothing"]),
        ("- a\n- b", ["a list"]),
        ("a: [", ["one YAML document"]),
        ("a: 1\n---\nb: 2", ["one YAML document"]),
        ("a: !!python/object/apply:os.getcwd []", ["one YAML document"]),
        ("a: &x [1]\nb: *x", ["an alias"]),
        ("a: &x [1]\nb: {<<: *x}", ["an alias"]),
        ("a: {b: 1, b: 2}", ["'b' twice"]),
        ("a: " + "[" * 30_000, ["one YAML document"]),
        ("a: 1\n" * LARGEST, ["bytes"]),
        ("\x00", ["one YAML document"]),
    ],
)  # fmt: skip
@pytest.mark.slow
def test_what_is_refused(read, text, words):
    with pytest.raises(InputError) as caught:
        read(text)
    assert all(word in str(caught.value) for word in ["0.yaml", *words]), caught.value


def test_missing_file_and_bad_bytes(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_seed_config([tmp_path / "absent.yaml"])
    (tmp_path / "bytes.yaml").write_bytes(b"a: \xff\xfe")
    with pytest.raises(InputError, match="one YAML document"):
        read_seed_config([tmp_path / "bytes.yaml"])


def test_values_go_through_the_options_own_checks(read):
    with pytest.raises(InputError, match=r"AlignConfig\.latent"):
        read(DOCUMENTED.replace("64", "63")).config(preset("paper"))
