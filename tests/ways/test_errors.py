"""Every way out that an error names is executed, and leads out: a row for each place that makes an error."""

from importlib import import_module
from pathlib import Path

import pytest

from tests.ways.sites import recorded, sites
from tests.ways.taking import WAYS, Place, Way, take

ROOMS = (
    "attachment", "data", "extras", "files", "formats", "learning", "lerobot_sweeps", "pictures", "rdt", "robots",
    "rollouts", "runs", "scenes", "studies",
)  # fmt: skip
for room in ROOMS:
    import_module(f"tests.ways.{room}")


def _name(row: Way) -> str:
    return row.site.replace(" ", "-").replace("/", ".")


@pytest.mark.parametrize("row", [pytest.param(r, id=_name(r), marks=[pytest.mark.slow] * r.slow) for r in WAYS])
def test_the_way_out_leads_out(row: Way, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with recorded(monkeypatch) as made:
        take(row, Place(tmp_path, monkeypatch, row.site), made)


# Messages of the vision policy: their ways out are not executed yet. The list may only shrink.
OPEN = {
    "experiments/observability.py _check_eyes",
    "experiments/observability.py check_observations#3",
    "experiments/sight.py _task",
    "experiments/sight.py encoder_in",
    "experiments/vision_policy.py _card",
    "experiments/vision_policy.py load_vision",
    "policies/vision/encoder.py Encoder.forward",
    "policies/vision/encoder.py Encoder.load",
    "policies/vision/eyes.py Eyes.__post_init__",
    "policies/vision/fitting.py states",
    "policies/vision/instruction.py instructions",
    "policies/vision/seen.py eyes_of",
    "policies/vision/seen.py see",
    "policies/vision/trunk.py _model",
    "policies/vision/trunk.py _model#2",
    "policies/vision/trunk.py _model#3",
    "policies/vision/watch.py Watch.drawn",
    "policies/vision/watch.py Watch.see",
    "policies/vision/words.py embedded",
    "policies/vision/words.py folder_of",
}


def test_every_site_has_a_row():
    rows = {row.site for row in WAYS}
    assert rows <= sites().keys(), rows - sites().keys()
    assert sites().keys() - rows == OPEN
