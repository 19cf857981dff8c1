"""Task: what `ate steer` fine-tunes on, made only as far as its method asks for it."""

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from ate.errors import InputError

if TYPE_CHECKING:
    from ate.align.alignment import Alignment
    from ate.data.episodes import Episodes
    from ate.data.loading import DataSet
    from ate.data.space import ActionSpace
    from ate.policies.policy import Policy
    from ate.steer.guidance import Guidance
    from ate.steer.guidance_config import GuidanceConfig
    from ate.steer.replay import Replay


@dataclass(eq=False)
class Task:
    """One fine-tuning.

    Attributes:
        policy: pre-trained.
        episodes: of the adaptation robot.
        data: where they are, with the robot's profile.
        pretrain: where the pre-training robots' episodes are, or None.
        share: rows at retargeted episodes, as a share of a batch.
    """

    policy: "Policy"
    episodes: "Episodes"
    data: "DataSet"
    pretrain: "DataSet | None"
    share: float
    alignment: "Alignment | None" = None

    @classmethod
    def on(cls, policy: "Policy", adapt: tuple[Path, str], pretrain: tuple[Path | None, str], share: float) -> "Task":
        """By folder and robot's profile of each; no pre-training folder, no such episodes."""
        from ate.data.loading import DataSet

        data = DataSet(str(adapt[0]), robot=adapt[1])
        others = None if pretrain[0] is None else DataSet(str(pretrain[0]), robot=pretrain[1])
        return cls(policy, data.load(), data, others, share)

    def guidance(self, folder: Path | None, config: "GuidanceConfig") -> "Guidance":
        """Guidance by the alignment of a folder, with goals where it acts at pre-training observations.

        Raises:
            InputError: no folder, another robot's alignment, or no pre-training episodes where it needs them.
        """
        from ate.align.alignment import Alignment
        from ate.steer.goals import Goals
        from ate.steer.guidance import Guidance

        if folder is None:
            raise InputError(
                "no --alignment", where="ate steer with guidance", expected="the folder of an alignment",
                fix="give --alignment, or --method retarget or direct",
            )  # fmt: skip
        self.alignment = Alignment.load(folder)
        space = self.alignment.space
        if (space.joint_names, space.source) != (self.episodes.joint_names, self.episodes.source):
            raise InputError(
                f"an alignment of {space.embodiment.name} (joints {', '.join(space.joint_names)} from "
                f"{space.source!r})",
                where=str(folder),
                expected=f"one of {self.episodes.robot} (joints {', '.join(self.episodes.joint_names)} from "
                f"{self.episodes.source!r})",
                fix=f"align it: ate align --pretrain FOLDER --adapt {self.data.path} --out FOLDER",
            )
        goals = Goals.of(self.alignment, self.sets, self.retargeted) if config.at_pretraining else None
        return Guidance.of(self.alignment, config, goals=goals)

    @cached_property
    def sets(self) -> tuple["Episodes", ...]:
        """The pre-training robots' episodes.

        Raises:
            InputError: they are not given.
        """
        if self.pretrain is None:
            raise InputError(
                "no --pretrain", where="ate steer", expected="the pre-training robots' episodes, to be retargeted",
                fix="give --pretrain FOLDER, or guide at the demonstrations",
            )  # fmt: skip
        return self.pretrain.load_sets()

    @cached_property
    def retargeted(self) -> "Episodes":
        """The same in the adaptation robot's joints."""
        from ate.data.placements import placement, placements
        from ate.steer.retargeting import retarget

        target, known = placement(self.episodes), placements(self.sets)
        return retarget(self.sets, target, joint_names=self.episodes.joint_names, placements=known)

    @cached_property
    def replay(self) -> "Replay":
        """Retargeted episodes as part of a fine-tuning."""
        from ate.steer.replay import Replay

        return Replay.of(self.retargeted, self.space, self.share)

    @cached_property
    def space(self) -> "ActionSpace":
        """Where the policy acts: in tool space if it was pre-trained there, else in joints.

        The joints' statistics are the alignment's where one guides, those of demonstrations and retargeted episodes
        where these are replayed, else the demonstrations'.
        """
        from ate.data.normalize import fit_rows
        from ate.data.placements import placement
        from ate.data.space import spaces
        from ate.data.tool_space import ToolSpace
        from ate.runs.files import content_key

        own, width = self.policy.spaces[0], self.policy.config.features
        if isinstance(own, ToolSpace):
            return own.of_robot(self.episodes, placement(self.episodes))
        if self.alignment is not None:
            return self.alignment.space
        (space,) = spaces([self.episodes], width)
        if self.pretrain is None:
            return space
        parts = [self.episodes, self.retargeted]
        rows = fit_rows(part.series(i) for part in parts for i in range(len(part)))
        return replace(space, normalizer=rows, data=content_key([part.digest for part in parts]))

    @property
    def digests(self) -> dict[str, str]:
        """SHA-256 of the sets, by name, for a card."""
        known = {} if self.alignment is None else dict(self.alignment.digests)
        others = {} if self.pretrain is None else {f"pretrain/{i}": s.digest for i, s in enumerate(self.sets)}
        return {**known, **others, "adapt": self.episodes.digest}
