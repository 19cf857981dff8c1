"""A winner file: the method that notebook 04 chose, as notebook 03 takes it."""

from collections.abc import Mapping
from pathlib import Path

from ate.errors import InputError, unknown
from ate.experiments.methods import ALIGNED_ENCODERS, MethodSpec, form_of, guided
from ate.runs.files import read_json
from ate.steer.guidance_config import GuidanceConfig

WINNER = "winner.json"


def read_winner(file: str | Path) -> MethodSpec:
    """The method that a winner file describes.

    Raises:
        InputError: no such file, no winner file, an encoder that no alignment has, or a value that guidance does not
            take.
    """
    path = Path(file)
    where = f"winner file {path}"
    if not path.is_file():
        raise InputError("no such file", where=where, expected=f"a {WINNER} of notebook 04", fix="check the path")
    try:
        tree = read_json(path)
    except ValueError as error:
        raise InputError(str(error), where=where, expected="one JSON object", fix="run notebook 04 again") from error
    if not isinstance(tree, Mapping) or not isinstance(tree.get("guidance"), Mapping) or "encoder" not in tree:
        got = ", ".join(map(str, tree)) or "no field" if isinstance(tree, Mapping) else type(tree).__name__
        expected = "the fields encoder, guidance and evidence"
        raise InputError(got, where=where, expected=expected, fix="run notebook 04 again")
    encoder = str(tree["encoder"])
    if encoder not in ALIGNED_ENCODERS:
        raise unknown(encoder, ALIGNED_ENCODERS, where=f"{where}, encoder")
    try:
        guidance = GuidanceConfig.from_dict(tree["guidance"])
        return guided(form_of(guidance), guidance, encoder, share=float(tree.get("share", 0.5)))
    except InputError as error:
        # The same message, with the file that it is about.
        where = f"{where}, {error.where}"
        raise InputError(error.got, where=where, expected=error.expected, fix=error.fix) from error
