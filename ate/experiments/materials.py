"""Materials: what the methods of one training seed are made of, each made once and only where a method asks for it.

The normaliser is one for all methods that act in joints: a method that also sees the retargeted episodes would have
another unit of error, and of noise, than direct fine-tuning.
"""

from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from cachetools import LRUCache

from ate.align.alignment import Alignment
from ate.align.evaluate.variants import fit_one_stage, untrained
from ate.align.stages import realign
from ate.data.episodes import Episodes
from ate.data.loading import DataSet
from ate.data.normalize import fit_rows
from ate.data.placements import placement, placements
from ate.data.space import ActionSpace, spaces
from ate.data.tool_space import ToolSpace
from ate.errors import InputError
from ate.experiments.experiment import Experiment
from ate.experiments.methods import ALIGNED_VARIANTS, MOTION_CONTROLS, MethodSpec
from ate.policies.policy import Policy
from ate.runs.files import array_digest, content_key
from ate.runs.lock import lock
from ate.steer.encoder import Encoder, IdentityEncoder, MotionIdentityEncoder
from ate.steer.goals import Goals
from ate.steer.guidance import Guidance
from ate.steer.replay import Replay
from ate.steer.retargeting import retarget
from ate.steer.trainer import GuidedPolicy
from ate.steer.translation import translate

RETARGETED = "retargeted"
# By data and weights of φ; each has a latent a row of the retargeted episodes.
_known_goals: LRUCache[tuple[Any, ...], Goals] = LRUCache(4)


@dataclass(eq=False)
class Materials:
    """Of one training seed.

    Attributes:
        experiment: what all methods share.
        episodes: all of the adaptation robot's episodes.
        drawn: the demonstrations of this seed.
        seed: training seed.
        aligned: folder that keeps the stage-2 encoders, or None.
    """

    experiment: Experiment
    episodes: Episodes
    drawn: Episodes
    seed: int
    aligned: Path | None

    def method(self, spec: MethodSpec) -> GuidedPolicy:
        """What is trained for a method."""
        policy, replay = self.start(spec), self._replay(spec)
        if spec.encoder == "none":
            return GuidedPolicy(policy, None, replay)
        alignment, encoder = self._encoder(spec.encoder)
        goals = self._goals(spec, alignment, encoder) if spec.guidance.at_pretraining else None
        return GuidedPolicy(policy, Guidance.of(alignment, spec.guidance, vae=encoder, goals=goals), replay)

    def start(self, spec: MethodSpec) -> Policy:
        """The policy that a method starts from."""
        start = self.tool_policy if spec.space == "tool" else self.policy
        return start if spec.start == "pretrained" else start.fresh(self.seed)

    def space(self, spec: MethodSpec) -> ActionSpace:
        """The action space that a method acts in."""
        return self._tool_space if spec.space == "tool" else self.joints

    @cached_property
    def policy(self) -> Policy:
        """The pre-trained policy that acts in joints."""
        return Policy.load(self.experiment.policy)

    @cached_property
    def tool_policy(self) -> Policy:
        """The pre-trained policy that acts in tool space.

        Raises:
            InputError: the experiment has none.
        """
        if not self.experiment.tool_policy:
            raise InputError(
                "no policy that acts in tool space", where="a method in tool space",
                expected="a study whose robots' kinematics are known", fix="name each robot's URDF, or leave it out",
            )  # fmt: skip
        return Policy.load(self.experiment.tool_policy)

    @cached_property
    def sets(self) -> tuple[Episodes, ...]:
        """The pre-training robots' episodes."""
        return _sets(_pretrain_data(self.experiment))

    @cached_property
    def retargeted(self) -> Episodes:
        """The same in the joints of the adaptation robot."""
        return retargeted(self.experiment)

    @cached_property
    def joints(self) -> ActionSpace:
        """The adaptation robot's joints in the unified vector, with the normaliser that all methods share."""
        width = self.policy.config.features
        if self.experiment.normalizer != RETARGETED:
            return self.alignment("aligned").space
        parts = [self.drawn, self.retargeted]
        rows = fit_rows(part.series(i) for part in parts for i in range(len(part)))
        base = spaces([self.retargeted], width)[0]
        embodiment = replace(base.embodiment, name=self.episodes.robot)
        data = content_key([part.digest for part in parts])
        return ActionSpace(embodiment, rows, self.episodes.source, data, self.episodes.conversion)

    def alignment(self, name: str) -> Alignment:
        """The run's alignment (`"aligned"`) or one of another variant, with stage 2 on the demonstrations drawn."""
        return self._alignments(name)[0]

    def _alignments(self, name: str) -> tuple[Alignment, Path | None]:
        if name not in self._known:
            stored = dict(self.experiment.variants).get(name, self.experiment.alignment)
            given = self.joints if self.experiment.normalizer == RETARGETED else None
            own = self.drawn.digest[:12] if given is None else f"{self.drawn.digest[:12]}-{given.data[:8]}"
            folder = None if self.aligned is None else self.aligned / f"{Path(stored).name}-{own}-{self.seed}"
            # The same draw serves other methods as well, maybe in another process.
            with nullcontext() if folder is None else lock(folder, f"aligning the demonstrations of seed {self.seed}"):
                loaded = Alignment.load(stored)
                self._known[name] = realign(loaded, self.drawn, seed=self.seed, directory=folder, space=given), folder
        return self._known[name]

    @cached_property
    def _known(self) -> dict[str, tuple[Alignment, Path | None]]:
        return {}

    @cached_property
    def _tool_space(self) -> ToolSpace:
        space = self.tool_policy.spaces[0]
        if not isinstance(space, ToolSpace):
            raise InputError(
                "a policy that acts in joints", where=self.experiment.tool_policy,
                expected="one pre-trained in tool space", fix="pre-train it with ate.data.tool_spaces",
            )  # fmt: skip
        return space.of_robot(self.episodes, placement(self.episodes))

    def _encoder(self, name: str) -> tuple[Alignment, Encoder]:
        """An encoder with the alignment whose robot, horizon and goals it has."""
        if name in ALIGNED_VARIANTS:
            alignment = self.alignment(name)
            return alignment, alignment.encoder
        if name in MOTION_CONTROLS:
            alignment = self.alignment("motion")
            if name == "random-motion":
                return alignment, untrained(alignment, self.seed).encoder
            return alignment, MotionIdentityEncoder(alignment.space, alignment.tool_spaces[-1], alignment.config.chunk)
        alignment, folder = self._alignments("aligned")
        match name:
            case "random":
                return alignment, untrained(alignment, self.seed).encoder
            case "identity":
                return alignment, IdentityEncoder(alignment.encoder.config.features, alignment.config.chunk)
            case "one-stage":
                busy = f"training the one-stage encoder of seed {self.seed}"
                with nullcontext() if folder is None else lock(folder, busy):
                    control = fit_one_stage(alignment, self.drawn, seed=self.seed, directory=folder)
                return alignment, control.encoder
        return alignment, alignment.encoder

    def _goals(self, spec: MethodSpec, alignment: Alignment, encoder: Encoder) -> Goals:
        if spec.goals == "own":
            return Goals.encoded(encoder, [(self.retargeted, alignment.space.compact)], alignment.config.chunk)
        phi = alignment.pretrain_vae
        # Stage 1 is the same for all training seeds, and so are its latents of what was retargeted.
        weights = array_digest(*(value.cpu().numpy() for value in phi.state_dict().values()))
        key = self.experiment.pretrain, self.experiment.adapt, weights, alignment.config.chunk, str(phi.device)
        if key not in _known_goals:
            _known_goals[key] = Goals.of(alignment, self.sets, self.retargeted)
        goals = _known_goals[key]
        return goals.of_others(self.retargeted.lengths, self.seed) if spec.goals == "shuffled" else goals

    def _replay(self, spec: MethodSpec) -> Replay | None:
        key = spec.replay, spec.share, spec.space
        if key not in self._replays:
            self._replays[key] = self._made(spec)
        return self._replays[key]

    @cached_property
    def _replays(self) -> dict[tuple[str, float, str], Replay | None]:
        return {}

    def _made(self, spec: MethodSpec) -> Replay | None:
        match spec.replay:
            case "none":
                return None
            case "untranslated":
                start = self.tool_policy if spec.space == "tool" else self.policy
                return Replay(self.sets, start.spaces, spec.share)
            case "identified":
                return Replay.of(self._identified(), self.joints, spec.share)
            case "latent":
                made = translate(self.sets, self.alignment("aligned"), self.retargeted)
                return Replay.of(made, self.joints, spec.share)
        return Replay.of(self.retargeted, self.joints, spec.share)

    def _identified(self) -> Episodes:
        """Retargeted by what the demonstrations tell of the robot's kinematics, standing where it is known to."""
        from ate.data.tool_poses import identify_robot

        known, identified = placement(self.episodes), identify_robot(self.drawn).kinematics
        target = replace(known, kinematics=identified)
        return retarget(self.sets, target, joint_names=self.episodes.joint_names, placements=placements(self.sets))


def retargeted(experiment: Experiment) -> Episodes:
    """The pre-training robots' episodes in the joints of the adaptation robot; made once in a process.

    Raises:
        InputError: a robot whose kinematics are not known.
    """
    return _retargeted(_pretrain_data(experiment), experiment.adapt)


def _pretrain_data(experiment: Experiment) -> DataSet:
    if experiment.pretrain is None:
        raise InputError(
            "no pre-training episodes", where="experiment", expected="the sets that the policy was pre-trained on",
            fix="set pretrain",
        )  # fmt: skip
    return experiment.pretrain


@lru_cache(2)
def _sets(data: DataSet) -> tuple[Episodes, ...]:
    return data.load_sets()


@lru_cache(2)
def _retargeted(data: DataSet, adapt: DataSet) -> Episodes:
    sets, episodes = _sets(data), adapt.load()
    return retarget(sets, placement(episodes), joint_names=episodes.joint_names, placements=placements(sets))
