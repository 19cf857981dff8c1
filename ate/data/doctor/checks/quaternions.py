"""Quaternions: their sign must not flip from step to step."""

from collections.abc import Iterator

from ate.data.doctor.examined_set import ExaminedSet
from ate.data.doctor.report import FAIL, PASS, WARN, Finding


def check(data: ExaminedSet) -> Iterator[Finding]:
    """Sign flips within episodes, and starts of opposite sign between episodes."""
    for series, quaternions in data.facts.quaternions.items():
        for start in quaternions.starts:
            names = data.names[start : start + 4] if series == data.episodes.source else ()
            subject = f"{series!r} columns {start}–{start + 3}" + (f" ({', '.join(names)})" if names else "")
            flips, first = quaternions.flips[start], quaternions.first[start]
            opposite = tuple(name for name, value in first if value @ first[0][1] < 0)
            level, code, expected, fix = PASS, "quaternions", "", ""
            got, odd = f"no sign flips in {len(first)} episodes", tuple[str, ...]()
            if flips:
                # A companion series is not trained on; a flip in the chosen one is a jump of up to 2 in the target.
                level = FAIL if series in (data.episodes.source, "state") else WARN
                code, odd = "quaternions.flips", tuple(dict.fromkeys(name for name, _ in flips))
                got = f"the sign flips {len(flips)} times in {len(odd)} episodes, "
                got += f"the first in {odd[0]} at row {flips[0][1]}"
                expected = "neighbouring rows with a positive product"
                fix = "negate each row whose product with the row before is negative, or record a 6-D rotation"
            elif opposite:
                level, code, odd = WARN, "quaternions.start_sign", opposite
                got = f"{len(opposite)} of {len(first)} episodes start with the opposite sign of {first[0][0]}"
                expected = "one sign for like poses"
                fix = "negate these episodes' quaternions, or record a 6-D rotation"
            yield Finding(level, code, subject, got, expected, fix, names[0] if names else "", odd)
