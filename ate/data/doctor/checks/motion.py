"""Motion: jumps, angles that wrap around, and values that pile up at a limit."""

from collections.abc import Iterator

import numpy as np

from ate.data.doctor.examined_set import ExaminedSet, listed
from ate.data.doctor.finding import FAIL, PASS, WARN, Finding
from ate.data.doctor.takes import takes
from ate.data.doctor.turns import Wrapped
from ate.robots.headings import POSE

# A step this many times the 99th percentile of the joint's own, and above the sizes below, is no motion.
TIMES = 8.0
LEAST_JUMP = 0.1
# Recorded speed above the profile's by more than half is no motion either.
OVERSPEED = 1.5
# More of the rows than this at one and the same extreme value: it was cut off there.
PILED = 0.05


def check(data: ExaminedSet) -> Iterator[Finding]:
    """One finding a joint and kind; grippers may close in a step."""
    usual = np.quantile(np.abs(data.facts.steps), 0.99, axis=0)
    largest = np.array([item.largest for item in data.facts.summaries])
    together = list(_together(data))
    yield from together
    for j in range(len(data.names)):
        if not data.is_gripper(j) and j in data.facts.wrapped_other:
            yield _wraps(data, j, data.facts.wrapped_other[j], "action" if data.episodes.source == "qpos" else "qpos")
        if not data.is_gripper(j) and j in data.facts.wrapped:
            yield from _turns(data, j)
            continue
        if data.is_gripper(j) or not data.moves[j]:
            continue
        # Jumps from the end of a take to the start of the next are that finding's.
        jump = None if together else _jump(data, j, float(usual[j]), largest[:, j])
        piled = _piled(data, j)
        yield from (finding for finding in (jump, piled) if finding is not None)
        if jump is None and piled is None:
            yield data.finding(
                j, PASS, "motion",
                f"largest step {largest[:, j].max():.3g} {data.unit(j)}, 99 % below {usual[j]:.2g}".replace("  ", " "),
            )  # fmt: skip


def _together(data: ExaminedSet) -> Iterator[Finding]:
    """Several takes as one episode: all joints jump, again and again, and always to where takes begin."""
    lengths = takes(data)
    if not lengths:
        return
    names, (first, rows) = tuple(lengths), next(iter(lengths.items()))
    places = ", ".join(str(row) for row in np.cumsum(rows)[:-1][:5]) + (", …" if len(rows) > 6 else "")
    counts = f"{', '.join(map(str, rows[:40]))}{', …' if len(rows) > 40 else ''}"
    yield Finding(
        FAIL, "motion.takes_together", listed(names),
        f"all joints jump between two rows and back to one start, again and again: {len(rows)} takes or more as one "
        f"episode in {first}, from rows 0, {places} on", "one take an episode",
        f"add the rows of each take to the file: an array episode_lengths (of {first}, as far as the jumps tell: "
        f"{counts}), of a table a column episode with a number for each take", episodes=names,
    )  # fmt: skip


def _turns(data: ExaminedSet, j: int) -> Iterator[Finding]:
    """Whole turns within episodes and between them."""
    name, wrapped = data.names[j], data.facts.wrapped[j]
    if wrapped.rows:
        yield _wraps(data, j, wrapped)
    for turns in sorted(set(wrapped.apart.values())):
        episodes = tuple(episode for episode, count in wrapped.apart.items() if count == turns)
        few = len(episodes) < len(data.facts.summaries) / 2
        count = wrapped.size if abs(turns) == 1 else f"{abs(turns)} · {wrapped.size}"
        yield data.finding(
            j, FAIL, "motion.turns_apart",
            f"{count} {'below' if turns > 0 else 'above'} the other episodes in {len(episodes)} of "
            f"{len(data.facts.summaries)} ({listed(episodes)})", "one count of turns in all episodes",
            f"{'add' if turns > 0 else 'subtract'} {count} {'to' if turns > 0 else 'from'} {name} there",
            episodes=episodes, exclude=few,
        )  # fmt: skip


def _wraps(data: ExaminedSet, j: int, wrapped: Wrapped, series: str = "") -> Finding:
    """Whole turns within episodes, of the chosen series or of the one that is named."""
    episodes = tuple(dict.fromkeys(episode for episode, _ in wrapped.rows))
    first, row = wrapped.rows[0]
    pose = data.kinds[j] == POSE
    subject = f"the {series} of {data.names[j]}" if series else data.names[j]
    between = " between −π and π" if pose else ""
    return data.finding(
        j, FAIL, "motion.action_wraps" if series else "motion.wraps",
        f"{f'{series} ' if series else ''}wraps around{between}: {len(wrapped.rows)} steps of "
        f"about {wrapped.size} in {len(episodes)} episodes, first {first} at row {row}"
        + (f", where {data.episodes.source} goes on counting" if series else ""), "an angle that goes on counting",
        f"unwrap {subject} (numpy.unwrap along each episode, then whole turns so that episodes agree)"
        + (", or record a 6-D rotation" if pose else ""), episodes=episodes,
    )  # fmt: skip


def _jump(data: ExaminedSet, j: int, usual: float, largest: np.ndarray) -> Finding | None:
    unit, joint, summaries = data.unit(j), data.joints[j], data.facts.summaries
    limit = max(TIMES * usual, LEAST_JUMP * (57.3 if unit == "deg" else 1.0))
    rate = data.episodes.rate_hz
    if joint is not None and joint.max_speed is not None and rate:
        limit = max(min(limit, OVERSPEED * joint.max_speed / rate / abs(joint.affine[0])), 3 * usual)
    odd = np.flatnonzero(largest > limit)
    if not len(odd):
        return None
    chosen = [summaries[i] for i in odd[np.argsort(-largest[odd])]]
    return data.finding(
        j, WARN, "motion.jumps",
        f"jumps by up to {largest.max():.3g} {unit} in one step (99 % of steps are below {usual:.2g}): "
        f"{listed([f'{item.name} row {item.largest_at[j]}' for item in chosen])}", f"steps below {limit:.2g} {unit}",
        "look at these rows: lost frames, a tracking glitch, or two takes in a file; cut or exclude",
        episodes=tuple(item.name for item in chosen), exclude=len(chosen) <= max(0.1 * len(summaries), 1),
    )  # fmt: skip


def _piled(data: ExaminedSet, j: int) -> Finding | None:
    """Rows at one extreme value, exactly, while other joints move: clipped."""
    name, values = data.names[j], data.facts.rows[:, j]
    moving = (np.abs(data.facts.steps) > 0.1 * data.facts.usual).any(axis=1)
    if moving.sum() < 50 or data.facts.usual[j] == 0:
        return None
    joint = data.joints[j]
    for end, side in ((values.min(), "lowest"), (values.max(), "highest")):
        share = float((values[moving] == end).mean())
        # A joint at rest there at every start (a home position) is no cut.
        if share > PILED and _inner(data, j, float(end)):
            slope, offset = (1.0, 0.0) if joint is None else joint.affine
            known = () if joint is None else tuple(x for x in (joint.low, joint.high) if x is not None)
            at = any(abs(end * slope + offset - x) < 0.01 for x in known)
            return data.finding(
                j, WARN, "motion.clipped",
                f"{100 * share:.0f} % of the moving rows at its {side} value {end:.4g} {data.unit(j)} exactly"
                + (", the joint's limit" if at else ""), f"at most {100 * PILED:.0f} %",
                f"check whether {name} was clipped or ran into its stop",
            )  # fmt: skip
    return None


def _inner(data: ExaminedSet, j: int, end: float) -> bool:
    """Whether the extreme is reached amid the motion in more than one episode: the course has it between its ends."""
    hits = [((item.course[1:-1, j] == end) & (item.course[:-2, j] != end)).any() for item in data.facts.summaries]
    return sum(hits) > 1
