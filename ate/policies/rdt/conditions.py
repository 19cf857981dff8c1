"""Conditions: the tokens of pictures and words of every row of a set, as RDT sees them.

    pictures of rows t − 1 and t, from each place of a camera → (2 · 3 · patches, width), the older ones first

The background colour stands for a camera that is not there and for the row before the first. Without an encoder all
tokens are zeros.

Source: RDT-1B, arXiv 2410.07864.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ate.data.cameras import clips, short
from ate.data.episodes import Episodes
from ate.errors import InputError
from ate.policies.rdt.camera_places import camera_places
from ate.policies.rdt.embeddings import Embeddings
from ate.policies.rdt.language_encoder import LanguageEncoder
from ate.policies.rdt.release import Release
from ate.policies.rdt.runner import RunnerConfig
from ate.policies.rdt.vision_encoder import VisionEncoder

# A camera's tokens of an episode `(rows, patches, width)`, or None where it has no such camera.
Tokens = NDArray[Any] | None


@dataclass(frozen=True, eq=False)
class Conditions:
    """The tokens.

    Attributes:
        release: history and places.
        cameras: the camera in each place, empty where there is none.
        pictures: of each episode in turn, the tokens of each place.
        background: tokens `(patches, width)` in place of a picture.
        words: of each episode in turn, tokens `(L, width)` of its instruction.
        silence: tokens of the empty instruction.
        instructions: of each episode in turn.
    """

    release: Release
    cameras: tuple[str, ...]
    pictures: tuple[tuple[Tokens, ...], ...]
    background: NDArray[Any]
    words: tuple[NDArray[np.float32], ...]
    silence: NDArray[np.float32]
    instructions: tuple[str, ...]

    @classmethod
    def of(
        cls,
        episodes: Episodes,
        config: RunnerConfig,
        release: Release,
        kept: Embeddings,
        *,
        vision: VisionEncoder | None = None,
        language: LanguageEncoder | None = None,
        cameras: Mapping[str, str] | None = None,
        instruction: str = "",
    ) -> "Conditions":
        """Of a set, its embeddings taken from `kept` or computed now.

        Args:
            episodes: of one robot.
            config: sizes of the policy.
            release: history and places.
            kept: embeddings that are known.
            vision: encoder of pictures; None for zeros.
            language: encoder of instructions; None for zeros.
            cameras: place → camera, where names do not tell.
            instruction: for every episode; empty for what each says itself.

        Raises:
            InputError: encoders of another size than the policy was made for, a set without cameras or with too many,
                an episode without the cameras of the others or without an instruction.
        """
        patches = check_vision(vision, config, release)
        check_language(language, config)
        texts = instructions(episodes, instruction) if language else ("",) * len(episodes)
        words = {text: kept.words(text, language) for text in {*texts, ""}} if language else {}
        silence = words.get("", np.zeros((1, config.lang_token_dim), np.float32))
        if vision is None:
            background: NDArray[Any] = np.zeros((patches, config.img_token_dim), np.float16)
            nothing: tuple[Tokens, ...] = (None,) * release.cameras
            places, pictures = ("",) * release.cameras, (nothing,) * len(episodes)
        else:
            places, pictures = _embedded(episodes, release, kept, vision, cameras)
            background = kept.background(vision)
        return cls(
            release, places, pictures, background, tuple(words.get(text, silence) for text in texts), silence, texts
        )

    def seen(self, index: int, row: int, hidden: NDArray[np.bool_] | None = None) -> NDArray[Any]:
        """Tokens `(history · places · patches, width)` of a row of an episode.

        Args:
            index: of the episode.
            row: of it.
            hidden: pictures to leave out `(history, places)`.
        """
        parts = []
        for back in reversed(range(self.release.history)):
            for place, tokens in enumerate(self.pictures[index]):
                absent = tokens is None or row < back
                if hidden is not None:
                    absent = absent or bool(hidden[self.release.history - 1 - back, place])
                parts.append(self.background if absent or tokens is None else tokens[row - back])
        return np.concatenate(parts)


def check_vision(vision: VisionEncoder | None, config: RunnerConfig, release: Release) -> int:
    """Tokens of a picture, after a look at whether they are those that the policy was made for.

    Raises:
        InputError: tokens of another width or number.
    """
    patches, rest = divmod(config.img_cond_len, release.places)
    if rest:
        raise InputError(
            f"{config.img_cond_len} image tokens in the weights", where=release.where,
            expected=f"a multiple of {release.places}, {release.history} pictures of {release.cameras} cameras",
            fix="give the configs/base.yaml that belongs to the weights",
        )  # fmt: skip
    if vision is not None and (vision.width, vision.patches) != (config.img_token_dim, patches):
        raise InputError(
            f"an encoder of {vision.patches} tokens of {vision.width} numbers a picture", where=str(vision.folder),
            expected=f"{patches} tokens of {config.img_token_dim}, as the weights were trained on",
            fix="give the folder of the encoder that belongs to the weights: of RDT-1B "
            "google/siglip-so400m-patch14-384",
        )  # fmt: skip
    return patches


def check_language(language: LanguageEncoder | None, config: RunnerConfig) -> None:
    """Refuse an encoder whose tokens the policy was not made for.

    Raises:
        InputError: tokens of another width.
    """
    if language is not None and language.width != config.lang_token_dim:
        raise InputError(
            f"an encoder of {language.width} numbers a token", where=str(language.folder),
            expected=f"{config.lang_token_dim}, as the weights were trained on",
            fix="give the folder of the encoder that belongs to the weights: of RDT-1B google/t5-v1_1-xxl",
        )  # fmt: skip


def instructions(episodes: Episodes, given: str = "") -> tuple[str, ...]:
    """What each episode is to do, in words.

    Raises:
        InputError: nothing is given, and an episode does not say it.
    """
    texts = [given or str(item.attributes.get("task") or episodes.task or "") for item in episodes]
    for item, text in zip(episodes, texts, strict=True):
        if not text.strip():
            raise InputError(
                "no instruction", where=f"{item.path}, episode {item.name}",
                expected="what is to be done, in words: the task of the file, or --instruction",
                fix="--instruction 'pick up the cube', or leave --language away for zeros in place of words",
            )  # fmt: skip
    return tuple(texts)


def _embedded(
    episodes: Episodes, release: Release, kept: Embeddings, vision: VisionEncoder, given: Mapping[str, str] | None
) -> tuple[tuple[str, ...], tuple[tuple[Tokens, ...], ...]]:
    """The camera in each place, and the tokens of each place for each episode."""
    where = f"episodes of {episodes.robot} ({episodes[0].path.parent})"
    views = [{short(name): clip for name, clip in clips(episodes, i).items()} for i in range(len(episodes))]
    if not views[0]:
        raise InputError(
            "no cameras", where=where, expected="pictures in the files, or videos of a LeRobot set",
            fix="fetch or record them, or leave --vision away for zeros in place of pictures",
        )  # fmt: skip
    places = camera_places(tuple(views[0]), release.cameras, given, where)
    cameras = [name for name in places if name]
    for item, view in zip(episodes, views, strict=True):
        missing = [name for name in cameras if name not in view]
        if missing:
            raise InputError(
                f"cameras {', '.join(view) or 'none'}", where=f"{item.path}, episode {item.name}",
                expected=f"{', '.join(cameras)}, as the first episode has", fix=f"exclude {item.name}, or fetch its "
                "pictures again",
            )  # fmt: skip
    tokens = iter(kept.pictures([view[name] for view in views for name in cameras], vision))
    return places, tuple(tuple(next(tokens) if name else None for name in places) for _ in views)
