"""A finding: one thing that a check looked at, and its level."""

from dataclasses import dataclass

PASS, WARN, FAIL = "PASS", "WARN", "FAIL"
LEVELS = (PASS, WARN, FAIL)
# Not a level: what could not be checked, with the reason, is neither good nor bad.
SKIPPED = "SKIPPED"


@dataclass(frozen=True)
class Finding:
    """One thing that was checked.

    Attributes:
        level: `PASS`, `WARN` (look at it) or `FAIL` (do not train on it as it is); `SKIPPED` on a check of the
            diagnosis that could not be made.
        code: what was checked and, after a dot, what is wrong, e.g. `"units.degrees"`; of PASS the check alone. Codes
            are stable, wording is not.
        subject: what it is about: a joint, an episode, or `"all"`.
        got: what is there, with numbers and units.
        expected: what would be right.
        fix: what to do now; empty for PASS.
        joint: the joint's name where the finding is about one.
        episodes: names of the episodes concerned, the worst first; empty where it is all of them.
        exclude: whether leaving out `episodes` is a cure.
    """

    level: str
    code: str
    subject: str
    got: str
    expected: str = ""
    fix: str = ""
    joint: str = ""
    episodes: tuple[str, ...] = ()
    exclude: bool = False

    @property
    def check(self) -> str:
        """What was checked, e.g. `"units"`."""
        return self.code.partition(".")[0].replace("_", " ")

    def row(self) -> dict[str, str]:
        """The finding as a row of a table."""
        return {name: getattr(self, name) for name in ("level", "check", "subject", "got", "expected", "fix")}
