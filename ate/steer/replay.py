"""Replay: episodes of the pre-training robots that take part in fine-tuning to a new one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ate.data.episodes import Episodes
from ate.data.space import ActionSpace
from ate.errors import InputError

if TYPE_CHECKING:
    from ate.policies.policy import Policy


@dataclass(frozen=True, eq=False)
class Replay:
    """Episodes beside the demonstrations.

    Without guidance they are demonstrations like the others: `share` of each batch is drawn from them, the batch stays
    as large as it is. Under guidance at pre-training observations (`GuidanceConfig.observations`) nothing regresses
    their actions: `share` of a batch's size is added as rows at which the latent distance acts.

    Attributes:
        sets: retargeted episodes (`ate.steer.retarget`), or any others in spaces of the policy's width.
        spaces: the action space of each set.
        share: rows drawn from them, as a share of a batch, in (0, 1].

    Raises:
        InputError: no sets, another number of spaces, or a share out of range.
    """

    sets: tuple[Episodes, ...]
    spaces: tuple[ActionSpace, ...]
    share: float = 0.5

    def __post_init__(self) -> None:
        if not self.sets or len(self.sets) != len(self.spaces):
            raise InputError(
                f"{len(self.sets)} sets and {len(self.spaces)} spaces", where="replay",
                expected="a space for each of one or more sets", fix="pass ActionSpaces in the order of the sets",
            )  # fmt: skip
        if not 0 < self.share <= 1:
            raise InputError(
                str(self.share), where="replay, share", expected="a share of a batch in (0, 1]",
                fix="use 0.5, or fine-tune without replay",
            )  # fmt: skip

    @classmethod
    def of(cls, episodes: Episodes | Sequence[Episodes], space: ActionSpace, share: float = 0.5) -> "Replay":
        """Episodes that are all of one robot, in its action space."""
        sets = (episodes,) if isinstance(episodes, Episodes) else tuple(episodes)
        return cls(sets, (space,) * len(sets), share)

    def rows(self, batch: int) -> int:
        """Rows of a batch of that size."""
        return max(1, round(self.share * batch))

    def check(self, policy: "Policy") -> None:
        """Refuse spaces of another width than the policy's.

        Raises:
            InputError: such a space.
        """
        for space in self.spaces:
            if space.width != policy.config.features:
                raise InputError(
                    f"an action space of width {space.width}", where=f"replay of {space.embodiment.name}",
                    expected=f"{policy.config.features}, the width of the policy's unified vector",
                    fix="take spaces of the policy's own width",
                )  # fmt: skip
