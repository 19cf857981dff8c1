"""Files: recordings that are not read, episodes that lie elsewhere than the set lists them, and marked failures."""

from collections.abc import Iterator

from ate.data.doctor.examined_set import ExaminedSet, listed
from ate.data.doctor.finding import WARN, Finding


def check(data: ExaminedSet) -> Iterator[Finding]:
    """What the ledger notes, as warnings."""
    unlisted = data.episodes.ledger.unlisted
    if unlisted:
        yield Finding(
            WARN, "files.unlisted", f"{len(unlisted)} files", f"{len(unlisted)} files of recordings are not read: "
            f"{listed(unlisted)}", "every recording in the set, or out of its folder",
            "list them, move them into the set's own layout, or take them out of the folder",
        )  # fmt: skip
    failed = tuple(item.name for item in data.episodes if item.attributes.get("success") is False)
    if failed:
        yield Finding(
            WARN, "files.failures", listed(failed),
            f"{len(failed)} of {len(data.episodes)} episodes are marked as failures of the task (success = False)",
            "demonstrations that show the task", "exclude them, or keep them knowingly: a policy learns what they show",
            episodes=failed, exclude=len(failed) < len(data.episodes),
        )  # fmt: skip
    moved = {item.name: item.attributes["listed_in"] for item in data.episodes if item.attributes.get("listed_in")}
    if moved:
        yield Finding(
            WARN, "files.listed_elsewhere", listed(tuple(moved)),
            f"the set lists {listed([f'{name} in {file}' for name, file in moved.items()])}; the rows were found by "
            "their episode_index in another file", "an episode in the file that the set lists",
            "mend the list of episodes, or ate convert the set", episodes=tuple(moved),
        )  # fmt: skip
