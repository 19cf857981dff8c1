"""Every way out that an error names is executed, and leads out: a row for each place that makes an error."""

from importlib import import_module
from pathlib import Path

import pytest

from tests.ways.sites import recorded, sites
from tests.ways.taking import WAYS, Place, Way, take

ROOMS = ("attachment", "data", "extras", "files", "formats", "learning", "robots", "rollouts", "runs", "studies")
for room in ROOMS:
    import_module(f"tests.ways.{room}")

# Of pictures, lerobot's sweeps and RDT's conditions: no row takes their ways out yet. A row takes its name off.
OPEN = {
    "cli/lerobot.py refuse_options",
    "cli/rdt_task.py RdtTask.guidance",
    "cli/rdt_task.py RdtTask._aligned",
    "cli/rdt_task.py RdtTask._loaded",
    "data/clip.py imaging",
    "data/clip.py decoded",
    "data/clip.py same_size",
    "data/formats/hdf5_pictures.py Hdf5Clip._dataset",
    "data/formats/parquet_pictures.py ParquetClip._odd",
    "data/video.py Video._opened",
    "data/video.py Video._missing",
    "experiments/lerobot_job.py check_environment",
    "experiments/lerobot_job.py check_environment#2",
    "experiments/lerobot_job.py LeRobotJob.check",
    "experiments/lerobot_sweep.py LeRobotSweep.__post_init__",
    "experiments/lerobot_sweep.py LeRobotSweep.__post_init__#2",
    "experiments/lerobot_sweep.py LeRobotSweep.__post_init__#3",
    "experiments/lerobot_sweep.py LeRobotSweep.__post_init__#4",
    "experiments/lerobot_sweep.py LeRobotSweep.__post_init__#5",
    "experiments/lerobot_sweep.py LeRobotSweep.read",
    "policies/rdt/actor.py RDTActor.__call__",
    "policies/rdt/actor.py RDTActor._seen",
    "policies/rdt/camera_places.py camera_places",
    "policies/rdt/conditions.py check_vision",
    "policies/rdt/conditions.py check_vision#2",
    "policies/rdt/conditions.py check_language",
    "policies/rdt/conditions.py instructions",
    "policies/rdt/conditions.py _embedded",
    "policies/rdt/conditions.py _embedded#2",
    "policies/rdt/embeddings.py Embeddings._check_room",
    "policies/rdt/encoder_folder.py encoder_errors",
    "policies/rdt/encoder_folder.py encoder_errors#2",
    "policies/rdt/encoder_folder.py encoder_errors#3",
    "policies/rdt/language_encoder.py LanguageEncoder.of",
    "policies/rdt/language_encoder.py LanguageEncoder.__call__",
    "policies/rdt/release.py _value",
    "policies/rdt/release.py _odd",
    "policies/rdt/samples.py Samples.of",
    "policies/rdt/samples.py Samples.of#2",
    "policies/rdt/tuned_policy.py TrainedWeights.load_state_dict",
    "policies/rdt/tuned_policy.py TunedPolicy.load",
    "policies/rdt/tuned_policy.py _changed",
    "policies/rdt/vision_encoder.py VisionEncoder.of",
    "steer/rdt_finetuning.py finetune_rdt",
}


def _name(row: Way) -> str:
    return row.site.replace(" ", "-").replace("/", ".")


@pytest.mark.parametrize("row", [pytest.param(r, id=_name(r), marks=[pytest.mark.slow] * r.slow) for r in WAYS])
def test_the_way_out_leads_out(row: Way, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with recorded(monkeypatch) as made:
        take(row, Place(tmp_path, monkeypatch, row.site), made)


def test_every_site_has_a_row():
    rows = {row.site for row in WAYS}
    assert rows <= sites().keys(), rows - sites().keys()
    assert sites().keys() - rows == OPEN
