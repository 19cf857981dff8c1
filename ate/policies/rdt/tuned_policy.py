"""A fine-tuned RDT with all that it needs to act: its file holds what was trained, and names the rest.

The weights that fine-tuning began with and the encoders stay where they are, and are known again by their hashes.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ate.errors import InputError
from ate.policies.rdt.encoder_folder import sampled_digest
from ate.policies.rdt.language_encoder import LanguageEncoder
from ate.policies.rdt.loading import load as load_weights
from ate.policies.rdt.loading import weight_file
from ate.policies.rdt.lora import with_lora
from ate.policies.rdt.release import Release
from ate.policies.rdt.runner import Runner
from ate.policies.rdt.vision_encoder import VisionEncoder
from ate.robots import Embodiment
from ate.runs import checkpoint

SUFFIX = ".safetensors"


class TrainedWeights(nn.Module):
    """The weights of a policy that are trained, as its state."""

    def __init__(self, policy: nn.Module) -> None:
        super().__init__()
        self.policy = policy

    def state_dict(self, *_: Any, **__: Any) -> Any:
        """Trained weights by name."""
        return {name: weight.detach() for name, weight in self.policy.named_parameters() if weight.requires_grad}

    @torch.no_grad()
    def load_state_dict(self, state_dict: Mapping[str, Tensor], *_: Any, **__: Any) -> Any:
        """Take trained weights back.

        Raises:
            InputError: they are not those of this policy.
        """
        own = self.state_dict()
        odd = sorted({*own} ^ {*state_dict}) + [
            n for n in own if n in state_dict and own[n].shape != state_dict[n].shape
        ]
        if odd:
            raise InputError(
                f"other weights, {odd[0]!r} among them", where="fine-tuned weights of RDT",
                expected="the weights that this policy trains", fix="give the rank of LoRA and the base that they have",
            )  # fmt: skip
        for name, weight in own.items():
            weight.copy_(state_dict[name])


@dataclass(frozen=True, eq=False)
class TunedPolicy:
    """The policy.

    Attributes:
        runner: on its device.
        base: file or folder of the weights that fine-tuning began with.
        lora_rank: of its adapters; 0 where all weights were trained.
        release: history and places of cameras.
        robot: its joints in the unified vector.
        rate_hz: control frequency.
        cameras: the camera in each place, empty where there is none.
        words: tokens `(L, width)` of each instruction that it was trained on; the empty one among them.
        vision: encoder of pictures, None where it saw none.
        language: encoder of instructions, None where it heard none.
    """

    runner: Runner
    base: Path
    lora_rank: int
    release: Release
    robot: Embodiment
    rate_hz: float
    cameras: tuple[str, ...]
    words: Mapping[str, Tensor]
    vision: VisionEncoder | None
    language: LanguageEncoder | None

    def save(self, file: Path) -> None:
        """Write what was trained, and the names and hashes of the rest."""
        release = {**asdict(self.release), "sizes": dict(self.release.sizes)}
        seeing, hearing = self.vision, self.language
        tree = {
            "base": [str(self.base.resolve()), sampled_digest(weight_file(self.base))],
            "lora_rank": self.lora_rank, "release": release, "robot": asdict(self.robot), "rate_hz": self.rate_hz,
            "cameras": list(self.cameras), "words": dict(self.words),
            "half": next(self.runner.parameters()).dtype == torch.bfloat16,
            "vision": seeing and [str(seeing.folder.resolve()), seeing.digest],
            "language": hearing and [str(hearing.folder.resolve()), hearing.most, hearing.weights_digest],
            "weights": TrainedWeights(self.runner).state_dict(),
        }  # fmt: skip
        checkpoint.save(file, tree)

    @classmethod
    def load(cls, path: str | Path, device: torch.device | str = "cpu") -> "TunedPolicy":
        """Of a file that `save` wrote, or of the folder of a run.

        Raises:
            InputError: it is none, or its base or an encoder is not there any more, or another one.
        """
        file = Path(path) / f"policy{SUFFIX}" if Path(path).is_dir() else Path(path)
        tree = checkpoint.load(file)
        if "lora_rank" not in tree:
            expected, fix = "a policy that ate rdt fine-tuned", "give policy.safetensors of its run"
            raise InputError("another checkpoint", where=str(file), expected=expected, fix=fix)
        release = Release(**tree["release"])
        base = Path(tree["base"][0])
        if sampled_digest(weight_file(base)) != tree["base"][1]:
            raise _changed(base, file, "weights that fine-tuning began with")
        runner = load_weights(base, release=release)
        assert isinstance(runner, Runner)
        runner = runner.to(torch.bfloat16) if tree["half"] else runner.float()
        if tree["lora_rank"]:
            with_lora(runner, tree["lora_rank"])
        TrainedWeights(runner).load_state_dict(tree["weights"])
        vision = language = None
        if tree["vision"]:
            vision = VisionEncoder.of(tree["vision"][0], square=release.square, device=device)
            if vision.digest != tree["vision"][1]:
                raise _changed(vision.folder, file, "encoder of pictures that it was trained with")
        if tree["language"]:
            language = LanguageEncoder.of(tree["language"][0], most=tree["language"][1], device=device)
            if language.weights_digest != tree["language"][2]:
                raise _changed(language.folder, file, "encoder of words that it was trained with")
        own = tree["robot"]
        robot = Embodiment(own["name"], tuple(own["joint_names"]), tuple(own["slots"]), own["width"])
        return cls(
            runner.to(device).eval(), base, tree["lora_rank"], release, robot, tree["rate_hz"], tuple(tree["cameras"]),
            tree["words"], vision, language,
        )  # fmt: skip


def _changed(place: Path, file: Path, expected: str) -> InputError:
    fix = "put them back there, or fine-tune again"
    return InputError("other files than then", where=f"{place}, named by {file}", expected=f"the {expected}", fix=fix)
