"""Every way out that an error names is executed, and leads out."""

import re
from pathlib import Path

import pytest

from tests.ways import files, formats
from tests.ways.sites import KINDS, sites
from tests.ways.taking import WAYS, Place, Way, take


def _name(row: Way) -> str:
    return row.site.replace(" ", "-").replace("/", ".")


@pytest.mark.parametrize("row", [pytest.param(r, id=_name(r), marks=[pytest.mark.slow] * r.slow) for r in WAYS])
def test_the_way_out_leads_out(row: Way, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.ways.sites import recorded

    with recorded(monkeypatch) as made:
        take(row, Place(tmp_path, monkeypatch), made)
