"""Values that cannot be used: NaN, infinity, magnitudes beyond float32, and files that break off, named by place."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from ate.data.doctor.examined_set import ExaminedSet, listed
from ate.data.doctor.finding import FAIL, PASS, Finding

# No joint of any robot in any unit that recorders use, ticks included, reads a million.
ABSURD = 1e6
# More findings than this are reported joint by joint instead of episode by episode.
MOST_FINDINGS = 12


def damaged(data: ExaminedSet) -> Iterator[Finding]:
    """Damage met in the pass; where there is much of it, one finding a joint."""
    findings = data.facts.damaged
    if len(findings) <= MOST_FINDINGS:
        yield from findings
        return
    groups: dict[str, list[Finding]] = {}
    for finding in findings:
        groups.setdefault(finding.joint, []).append(finding)
    for joint, group in groups.items():
        names = tuple(dict.fromkeys(name for finding in group for name in finding.episodes))
        yield replace(
            group[0],
            subject=joint or listed(names),
            got=f"in {len(names)} of {len(data.episodes)} episodes ({listed(names)}); first: {group[0].got}",
            fix=f"exclude these episodes, or repair {joint or 'them'}",
            episodes=names,
            exclude=len(names) < len(data.episodes) / 2,
        )


def check(data: ExaminedSet) -> Iterator[Finding]:
    """Damage met in the pass, absurd magnitudes, and which joints are free of both."""
    yield from damaged(data)
    hurt = {finding.joint for finding in data.facts.damaged}
    size = np.maximum(np.abs(data.facts.low), np.abs(data.facts.high))
    for joint, name in enumerate(data.names):
        if size[joint] > ABSURD:
            summaries = [item for item in data.facts.summaries if max(-item.low[joint], item.high[joint]) > ABSURD]
            yield data.finding(
                joint, FAIL, "values.huge",
                f"magnitudes up to {size[joint]:.3g} in {len(summaries)} of {len(data.facts.summaries)} episodes, "
                f"the first {summaries[0].name}", f"at most {ABSURD:g} in any unit",
                "repair the recording, or exclude these episodes: min–max normalisation would squash all else to 0",
                episodes=tuple(item.name for item in summaries), exclude=len(summaries) < len(data.facts.summaries) / 2,
            )  # fmt: skip
        elif name not in hurt:
            yield data.finding(joint, PASS, "values", f"finite, at most {size[joint]:.4g} in magnitude")
