"""Five hundred hostile sets: each ends in one InputError, soon, in little memory, with nothing written anywhere."""

import resource
import shutil
import signal
import time

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ate.cli.convert import convert
from ate.data import load
from ate.errors import InputError
from tests.data.formats import hostile, hostile_packed, hostile_stores

CASES = [
    hostile.truncated, hostile.truncated, hostile.overwritten, hostile.bare, hostile.promised, hostile.odd_shape,
    hostile.odd_type, hostile.linked, hostile.linked, hostile.poisoned, hostile.no_action, hostile.odd_demo,
    hostile.odd_environment, hostile.odd_model, hostile.odd_table, hostile.odd_text, hostile.odd_place,
    hostile_packed.odd_info, hostile_packed.odd_template, hostile_packed.odd_listing, hostile_packed.odd_places,
    hostile_packed.odd_rows, hostile_packed.odd_footer, hostile_packed.linked_out, hostile_packed.odd_header,
    hostile_packed.odd_archive, hostile_packed.no_action, *hostile_stores.CASES,
]  # fmt: skip
# Seconds of computing; and by the clock, where a case waits for something that never comes.
WANTED, SECONDS, WAITING, MIB = 500, 5.0, 60.0, 400


class TooSlow(Exception):
    """A case took longer than it may."""


def too_slow(*_):
    raise TooSlow


def picture(root):
    """What lies under a folder: path → size and time, links not followed."""
    return {path: (path.lstat().st_size, path.lstat().st_mtime_ns) for path in root.rglob("*") if not path.is_dir()}


def read_all(folder, source):
    for item in load(folder, source):
        item.read(source)


def convert_all(folder, source):
    result = CliRunner().invoke(convert, [str(folder), str(folder.parent / "out"), "--source", source])
    if result.exception is not None:
        raise result.exception


@pytest.mark.slow
def test_500_hostile_sets_end_in_500_clear_errors(tmp_path):
    ran = {}

    @settings(
        max_examples=WANTED, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck)
    )
    @given(st.sampled_from(CASES), st.sampled_from([read_all, convert_all]), st.data())
    def one(case, act, data):
        root = tmp_path / "case"
        shutil.rmtree(root, ignore_errors=True)
        root.mkdir()
        source = case(data.draw, root / "set")
        before, begun = picture(root), time.process_time()
        signal.setitimer(signal.ITIMER_REAL, WAITING)
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        try:
            with pytest.raises(InputError) as caught:
                act(root / "set", source)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.setitimer(signal.ITIMER_PROF, 0)
        assert time.process_time() - begun < SECONDS
        assert picture(root) == before and not (root / "out").exists() and not list(root.glob(".converting*"))
        assert all((caught.value.got, caught.value.where, caught.value.expected, caught.value.fix))
        assert len(str(caught.value)) < 5000
        ran[case.__name__] = ran.get(case.__name__, 0) + 1

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    kept = {number: signal.signal(number, too_slow) for number in (signal.SIGALRM, signal.SIGPROF)}
    try:
        one()
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)
    assert sum(ran.values()) >= WANTED and set(ran) == {case.__name__ for case in CASES}
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak) / 1024 < MIB
