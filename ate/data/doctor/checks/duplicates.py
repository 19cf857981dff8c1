"""Episodes that are there twice: equal bit for bit, or so near that one must be a copy of the other."""

from collections.abc import Iterator

import numpy as np

from ate.data.doctor.episode_summary import EpisodeSummary
from ate.data.doctor.examined_set import ExaminedSet, listed
from ate.data.doctor.finding import PASS, WARN, Finding

# Root mean square distance of two courses in usual steps: two takes of one motion differ by many steps, a copy that
# was resampled, rounded or shifted by a frame by less than this.
NEAR = 0.25
# Near copies are looked for among this many episodes; equal ones among all.
MOST_COMPARED = 5000


def check(data: ExaminedSet) -> Iterator[Finding]:
    """Equal and nearly equal episodes of the set, and episodes shared with the pre-training sets."""
    summaries = data.facts.summaries
    groups: dict[str, list[EpisodeSummary]] = {}
    for item in summaries:
        groups.setdefault(item.digest, []).append(item)
    pairs = [(same[0].name, other.name) for same in groups.values() for other in same[1:]]
    if pairs:
        yield _finding("duplicate_episodes.equal", pairs, "the same values, bit for bit")
    near = _near(data, [same[0] for same in groups.values()])
    if near:
        yield _finding("duplicate_episodes.near", near, f"courses closer than {NEAR} usual steps")
    known = {item.digest for other in data.against for item in other.facts.summaries}
    both = [item.name for item in summaries if item.digest in known]
    if both:
        yield Finding(
            WARN, "duplicate_episodes.pretrain", listed(both), f"{len(both)} episodes are in the pre-training set too",
            "no episode on both sides", "exclude them here: they would pass for success on new data",
            episodes=tuple(both), exclude=len(both) < len(summaries),
        )  # fmt: skip
    if not (pairs or near or both):
        yield Finding(PASS, "duplicate_episodes", "all episodes", f"{len(summaries)} episodes, all different")


def _finding(code: str, pairs: list[tuple[str, str]], how: str) -> Finding:
    equal = [f"{copy} = {first}" for first, copy in pairs]
    return Finding(
        WARN, code, listed([copy for _, copy in pairs]), f"{len(pairs)} copies ({how}): {listed(equal)}",
        "every episode once", "exclude the copies: they weigh double and leak into the held-out split",
        episodes=tuple(copy for _, copy in pairs), exclude=True,
    )  # fmt: skip


def _near(data: ExaminedSet, summaries: list[EpisodeSummary]) -> list[tuple[str, str]]:
    from scipy.spatial import cKDTree

    moving = data.facts.usual > 0
    if len(summaries) < 2 or len(summaries) > MOST_COMPARED or not moving.any():
        return []
    points = np.array([(item.course[:, moving] / data.facts.usual[moving]).ravel() for item in summaries])
    distance, index = cKDTree(points).query(points, k=2)
    reach = NEAR * np.sqrt(points.shape[1])
    copies = []
    for here, (far, there) in enumerate(zip(distance[:, 1], index[:, 1], strict=True)):
        alike = 0.5 < summaries[here].steps / summaries[there].steps < 2
        # Two episodes in which nothing happens are alike without being copies.
        moved = np.ptp(points[here].reshape(-1, int(moving.sum())), axis=0).max() > 3
        if far < reach and there < here and alike and moved:
            copies.append((summaries[there].name, summaries[here].name))
    return copies
