"""Quaternions: their sign must not flip from step to step."""

from collections.abc import Iterator

from ate.data.doctor.examined_set import ANGLES, ExaminedSet
from ate.data.doctor.finding import FAIL, PASS, WARN, Finding
from ate.data.episodes import NAMED_BY
from ate.robots.roles import GRIPPERS


def check(data: ExaminedSet) -> Iterator[Finding]:
    """Sign flips within episodes, and starts of opposite sign between episodes."""
    for series, quaternions in data.facts.quaternions.items():
        for start in quaternions.starts:
            known = data.names if series == data.episodes.source else data.episodes[0].column_names(series)
            # Poses have as many columns as some robots joints, whose names are not theirs.
            names = known[start : start + 4] if series in NAMED_BY else ()
            if any(name.casefold() in ANGLES or any(mark in name.casefold() for mark in GRIPPERS) for name in names):
                # Three small angles and a gripper that is closed or open have unit length too.
                continue
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
