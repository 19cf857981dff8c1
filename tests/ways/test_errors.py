"""Every way out that an error names is executed, and leads out: a row for each place that makes an error."""

from importlib import import_module
from pathlib import Path

import pytest

from tests.ways.sites import recorded, sites
from tests.ways.taking import WAYS, Place, Way, take

ROOMS = (
    "attachment", "data", "extras", "files", "formats", "learning", "lerobot_sweeps", "pictures", "rdt", "robots",
    "rollouts", "runs", "studies",
    "vision",
)  # fmt: skip
for room in ROOMS:
    import_module(f"tests.ways.{room}")


def _name(row: Way) -> str:
    return row.site.replace(" ", "-").replace("/", ".")


@pytest.mark.parametrize("row", [pytest.param(r, id=_name(r), marks=[pytest.mark.slow] * r.slow) for r in WAYS])
def test_the_way_out_leads_out(row: Way, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with recorded(monkeypatch) as made:
        take(row, Place(tmp_path, monkeypatch, row.site), made)


# Messages of pictures and films: their ways out are not executed yet. The list may only shrink.
OPEN = {
    "sim/opengl.py backend",
    "sim/render.py Renderer.__init__",
    "sim/render.py Renderer._poses",
    "sim/render.py Renderer._things",
    "viz/figures/footage.py rollout_pictures",
    "viz/report/motion.py episode_film",
    "viz/rerun_file.py sdk",
    "viz/rerun_file.py write_rollouts",
    "viz/video.py mp4",
}


def test_every_site_has_a_row():
    rows = {row.site for row in WAYS}
    assert rows <= sites().keys(), rows - sites().keys()
    assert sites().keys() - rows == OPEN
