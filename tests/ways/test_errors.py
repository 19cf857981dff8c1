"""Every way out that an error names is executed, and leads out: a row for each place that makes an error.

Weak rows: there the text alone is checked, and what the way out would bring is put there by hand.

- What needs a network: `hf download` (`data/hub.py`, `data/video.py`, `policies/rdt/encoder_folder.py`), `ate push`,
  `pip install`, whose extra is looked up in pyproject.toml, and `apt-get install` (`sim/opengl.py`), whose packages are
  compared with those of Makefile and Dockerfile.
- Programs of others: lerobot-calibrate (`robots/calibration.py`), xacro (`robots/model_text.py compiled#2`),
  ManiSkill's replay (`data/formats/maniskill.py _simulated` and `_without`), lerobot (`policies/lerobot_actor.py`,
  `experiments/lerobot_job.py`), another version of a package (`steer/flow_point.py`), Slurm's controller.
- Training of minutes and more: `ate compare` and `ate sweep` (`cli/evidence.py`, `cli/report.py curve`), notebook 04
  (`experiments/winner.py`), `ate benchmark` and `ate demos --all`, which are called with their work taken out.
- `ate watch` (`runs/child.py Child.start`, `runs/lock.py`): the process that holds the folder ends by hand.
- Machines: a GPU more (`runs/device.py`, `runs/loop.py _check#3`), a process more (`runs/distributed.py`), a disk with
  room (`runs/refusal.py`, `policies/rdt/embeddings.py`).
- "Restore", "fetch again", "copy again": the bytes from before are put back.
"""

from importlib import import_module
from pathlib import Path

import pytest

from tests.ways.sites import recorded, sites
from tests.ways.taking import WAYS, Place, Way, take

for file in sorted(Path(__file__).parent.glob("[a-z]*.py")):
    if not file.name.startswith("test_"):
        import_module(f"tests.ways.{file.stem}")


def _name(row: Way) -> str:
    return row.site.replace(" ", "-").replace("/", ".")


@pytest.mark.slow
@pytest.mark.parametrize("row", [pytest.param(r, id=_name(r)) for r in WAYS])
def test_the_way_out_leads_out(row: Way, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with recorded(monkeypatch) as made:
        take(row, Place(tmp_path, monkeypatch, row.site), made)


def test_every_site_has_a_row():
    rows = {row.site for row in WAYS}
    assert rows <= sites().keys(), rows - sites().keys()
    assert sites().keys() - rows == set()
