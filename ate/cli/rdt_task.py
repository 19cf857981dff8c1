"""What `ate rdt` trains, on what and by what, made only as far as it is asked for."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ate.errors import InputError

if TYPE_CHECKING:
    import torch

    from ate.align.alignment import Alignment
    from ate.data.episodes import Episodes
    from ate.data.loading import DataSet
    from ate.policies.rdt.language_encoder import LanguageEncoder
    from ate.policies.rdt.memory import MemoryNeed
    from ate.policies.rdt.release import Release
    from ate.policies.rdt.runner import Runner, RunnerConfig
    from ate.policies.rdt.samples import Samples
    from ate.policies.rdt.tuned_policy import TunedPolicy
    from ate.policies.rdt.vision_encoder import VisionEncoder
    from ate.steer.guidance import Guidance
    from ate.steer.guidance_config import GuidanceConfig


@dataclass(eq=False)
class RdtTask:
    """One fine-tuning; the attributes are the options of the command."""

    weights: Path
    base: Path | None
    adapt: Path
    robot: str
    source: str
    rate: float
    vision: Path | None
    language: Path | None
    cameras: str
    instruction: str
    cache: Path | None
    alignment: Path | None
    lora_rank: int
    precision: str
    checkpointing: bool

    @property
    def data(self) -> "DataSet":
        """Where the episodes are."""
        from ate.data.loading import DataSet

        return DataSet(str(self.adapt), self.source, robot=self.robot, rate=self.rate)

    @cached_property
    def episodes(self) -> "Episodes":
        """All of them; errors as `DataSet.load`."""
        return self.data.load()

    @cached_property
    def release(self) -> "Release":
        """The configuration file, or RDT-1B's own; errors as `Release.read`."""
        from ate.policies.rdt.release import Release

        return Release() if self.base is None else Release.read(self.base)

    @cached_property
    def device(self) -> "torch.device":
        """Of the policy and the encoders."""
        from ate.runs.device import pick

        return pick()

    @cached_property
    def sizes(self) -> "RunnerConfig":
        """Of the weights; no memory is taken for them."""
        return self._loaded("meta").config

    @cached_property
    def digest(self) -> str:
        """What the weights are known by."""
        from ate.policies.rdt.encoder_folder import sampled_digest
        from ate.policies.rdt.loading import weight_file

        return sampled_digest(weight_file(self.weights))

    @cached_property
    def encoders(self) -> "tuple[VisionEncoder | None, LanguageEncoder | None]":
        """Of pictures and of words."""
        from ate.policies.rdt.language_encoder import LanguageEncoder
        from ate.policies.rdt.vision_encoder import VisionEncoder

        square, most = self.release.square, self.sizes.max_lang_cond_len
        seeing = None if self.vision is None else VisionEncoder.of(self.vision, square=square, device=self.device)
        hearing = None if self.language is None else LanguageEncoder.of(self.language, most=most, device=self.device)
        return seeing, hearing

    def samples(self, episodes: "Episodes") -> "Samples":
        """Of some of the episodes, their pictures and words embedded; errors as `Conditions.of`, `Samples.of`."""
        from ate.policies.rdt.conditions import Conditions
        from ate.policies.rdt.embeddings import Embeddings, default_folder
        from ate.policies.rdt.samples import Samples
        from ate.runs.options import names, pairs

        vision, language = self.encoders
        conditions = Conditions.of(
            episodes, self.sizes, self.release, Embeddings(self.cache or default_folder()), vision=vision,
            language=language, cameras=pairs(names(self.cameras), "--cameras"), instruction=self.instruction,
        )  # fmt: skip
        return Samples.of(episodes, conditions, self.sizes)

    def memory(self, batch: int, words: int) -> "MemoryNeed":
        """What a step needs.

        Raises:
            InputError: more than the device has.
        """
        import psutil
        import torch

        from ate.policies.rdt.memory import memory_need

        need = memory_need(
            self.sizes, batch, precision=self.precision, checkpointing=self.checkpointing, lora_rank=self.lora_rank,
            lang_tokens=words,
        )  # fmt: skip
        on_gpu = self.device.type == "cuda"
        need.require(torch.cuda.mem_get_info(self.device)[0] if on_gpu else psutil.virtual_memory().available)
        return need

    def guidance(self, config: "GuidanceConfig", options: Mapping[str, Any]) -> "Alignment | Guidance | None":
        """What guides: an alignment, the block of the release, or nothing.

        Args:
            config: of the alignment's guidance.
            options: those that were given; the block of a release has its own.

        Raises:
            InputError: an alignment of another robot, or options of a guidance that there is not.
        """
        if self.alignment is not None:
            return self._aligned(self.alignment)
        if self.base is not None:
            from ate.data.units import profile_for
            from ate.runs.yaml import read_mapping
            from ate.steer.released import guidance_of

            if "vae" in read_mapping(self.base):
                own = {name: value for name, value in options.items() if name != "guidance"}
                return guidance_of(self.base, self.sizes.pred_horizon, profile_for(self.episodes), **own)
        if options:
            name, value = next(iter(options.items()))
            raise InputError(
                f"{name} {value}", where="ate rdt without guidance", expected="what guides, or none of its options",
                fix="give --alignment FOLDER, or a --base with a vae: block",
            )  # fmt: skip
        return None

    def _aligned(self, folder: Path) -> "Alignment":
        from ate.align.alignment import Alignment

        alignment = Alignment.load(folder, self.device)
        if (alignment.joint_names, alignment.space.source) != (self.episodes.joint_names, self.episodes.source):
            raise InputError(
                f"an alignment of {', '.join(alignment.joint_names)} from {alignment.space.source!r}",
                where=str(folder),
                expected=f"one of {', '.join(self.episodes.joint_names)} from {self.episodes.source!r}",
                fix=f"align it, with chunks of {self.sizes.pred_horizon}: ate align --adapt {self.adapt}",
            )
        return alignment

    def runner(self) -> "Runner":
        """The policy on its device, in its precision, with its adapters."""
        import torch

        from ate.policies.rdt.lora import with_lora
        from ate.runs.device import seeded

        runner = self._loaded("cpu")
        runner = runner.to(torch.bfloat16) if self.precision == "bf16" else runner.float()
        if self.lora_rank:
            with seeded(0):
                with_lora(runner, self.lora_rank)
        return runner.to(self.device)

    def tuned(self, runner: "Runner", samples: "Samples") -> "TunedPolicy":
        """The policy with all that it needs to act."""
        import torch

        from ate.policies.rdt.tuned_policy import TunedPolicy

        conditions = samples.conditions
        words = dict(zip(conditions.instructions, conditions.words, strict=True)) | {"": conditions.silence}
        return TunedPolicy(
            runner, self.weights, self.lora_rank, self.release, samples.embodiment, samples.rate_hz, conditions.cameras,
            {text: torch.from_numpy(tokens) for text, tokens in words.items()}, *self.encoders,
        )  # fmt: skip

    def _loaded(self, device: str) -> "Runner":
        from ate.policies.rdt.loading import load
        from ate.policies.rdt.runner import Runner

        loaded = load(self.weights, device=device, checkpointing=self.checkpointing, release=self.release)
        if not isinstance(loaded, Runner):
            raise InputError(
                "the transformer alone", where=str(self.weights), expected="the whole policy with its projections",
                fix="give the weights of the runner, as RDT's pytorch_model.bin has them",
            )  # fmt: skip
        return loaded
