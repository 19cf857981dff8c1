"""Ways out of RDT's pictures and words."""

import re
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import h5py
import yaml

from ate.data import load
from ate.policies.rdt import Conditions, Embeddings, LanguageEncoder, Release, VisionEncoder
from ate.policies.rdt.camera_places import camera_places
from ate.policies.rdt.conditions import check_language, check_vision, instructions
from ate.runs.options import names, pairs
from tests.policies.rdt import scene
from tests.policies.rdt.scene import CONFIG, PATCHES
from tests.ways.extras import _brought
from tests.ways.rdt_scene import conditions, copied_set, picture_encoder, rdt_task, shared, word_encoder
from tests.ways.taking import way


@way("policies/rdt/camera_places.py camera_places")
def _(p):
    cameras = ("front", "side", "wrist")
    text = yield lambda: camera_places(cameras, 3), r"--cameras (\S+)$"
    assert camera_places(cameras, 3, pairs(names(text), "--cameras")) == ("front", "wrist", "")


@way("policies/rdt/conditions.py check_vision", "policies/rdt/conditions.py check_vision#2",
     "policies/rdt/conditions.py check_language")  # fmt: skip
def _(p):
    folder = shared()[0]
    if p.site.endswith("check_vision"):
        name = yield lambda: check_vision(None, CONFIG, Release(cameras=5)), r"the configs/(\S+) that belongs"
        check_vision(None, CONFIG, Release.read(folder / "weights" / name))
    elif p.site.endswith("#2"):
        yield lambda: check_vision(picture_encoder(16), CONFIG, Release()), "the encoder that belongs to the weights"
        assert check_vision(picture_encoder(), CONFIG, Release()) == PATCHES
    else:
        yield lambda: check_language(word_encoder(8), CONFIG), "the encoder that belongs to the weights"
        check_language(word_encoder(), CONFIG)


@way("policies/rdt/conditions.py instructions")
def _(p):
    copied_set(p)
    for file in p.set.glob("*.hdf5"):
        with h5py.File(file, "r+") as handle:
            del handle.attrs["task"]
    silent = load(p.set)
    option, text, other = yield lambda: instructions(silent), r"^(--\w+) '(.*)', or leave --(\w+) away"
    assert option == "--instruction" and set(instructions(silent, text)) == {text}
    conditions(p, silent, **{other: None})


@way("policies/rdt/conditions.py _embedded", "policies/rdt/conditions.py _embedded#2")
def _(p):
    copied_set(p)
    files = sorted(p.set.glob("*.hdf5"))
    for file in files if p.site.endswith("_embedded") else files[1:2]:
        with h5py.File(file, "r+") as handle:
            del handle["images"]
    spoiled = load(p.set)
    if p.site.endswith("#2"):
        name = yield lambda: conditions(p, spoiled), r"exclude (\w+)"
        conditions(p, load(p.set, exclude=[name]))
        yield lambda: conditions(p, spoiled), "fetch its pictures again"
    else:
        option = yield lambda: conditions(p, spoiled), r"leave --(\w+) away"
        conditions(p, spoiled, **{option: None})
        yield lambda: conditions(p, spoiled), "fetch or record them"
    conditions(p, shared()[1])


@way("policies/rdt/embeddings.py Embeddings._check_room")
def _(p):
    whole = shutil.disk_usage
    full = SimpleNamespace(free=0)
    p.patch.setattr(shutil, "disk_usage", lambda place: full if Path(place) == p.path / "kept" else whole(place))
    new = shared()[1]
    option, variable = yield lambda: conditions(p, new), r"another folder, --(\w+) or (\w+), or take fewer"
    p.patch.setenv(variable, str(p.path / "elsewhere"))
    from ate.policies.rdt.embeddings import default_folder

    given = getattr(rdt_task(p, **{option: p.path / "roomy"}), option)
    for folder in (default_folder(), given):
        Conditions.of(new, CONFIG, Release(), Embeddings(folder), vision=picture_encoder(), language=word_encoder())


@way("policies/rdt/encoder_folder.py encoder_errors", "policies/rdt/encoder_folder.py encoder_errors#3",
     "policies/rdt/language_encoder.py LanguageEncoder.of", "policies/rdt/language_encoder.py LanguageEncoder.__call__",
     "policies/rdt/vision_encoder.py VisionEncoder.of")  # fmt: skip
def _(p):
    seeing, hearing = scene.siglip(p.path / "siglip"), scene.t5(p.path / "t5")
    config = seeing / "config.json"
    whole = config.read_text()
    if p.site.endswith("encoder_errors"):
        config.unlink()
        yield lambda: VisionEncoder.of(seeing), r"fetch it first \(hf download NAME --local-dir FOLDER\)"
        config.write_text(whole)
    elif p.site.endswith("#3"):
        config.write_text("{")
        yield lambda: VisionEncoder.of(seeing), "fetch the folder again"
        config.write_text(whole)
    elif p.site.endswith("LanguageEncoder.of"):
        yield lambda: LanguageEncoder.of(seeing), "or of the encoder of your policy"
    elif p.site.endswith("VisionEncoder.of"):
        yield lambda: VisionEncoder.of(hearing), "or of the encoder of your policy"
    else:
        yield lambda: LanguageEncoder.of(hearing, most=9)("lift " * 9), "say it in fewer words: --instruction"
    VisionEncoder.of(seeing)
    LanguageEncoder.of(hearing, most=9)("lift")


@way("policies/rdt/release.py _value", "policies/rdt/release.py _odd")
def _(p):
    file, text = p.path / "base.yaml", scene.base_yaml()
    if p.site.endswith("_value"):
        file.write_text(text.replace("num_cameras: 3,", ""))
        path = yield lambda: Release.read(file), r"add (\S+) as the release has it"
    else:
        file.write_text(text.replace("num_cameras: 3", "num_cameras: three"))
        path = yield lambda: Release.read(file), r"correct (\S+)$"
    fields = yaml.safe_load(file.read_text())
    part, name = path.split(".")
    fields[part][name] = 3
    file.write_text(yaml.safe_dump(fields))
    assert Release.read(file).cameras == 3


@way("policies/rdt/encoder_folder.py encoder_errors#2")
def _(p):
    p.patch.setitem(sys.modules, "transformers", None)
    folder = p.path / "siglip"
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "siglip"}')
    extra = yield lambda: VisionEncoder.of(folder), r"^pip install -e '[^']*\[(\w+)\]'$"
    assert "transformers" in {re.split(r"\W", item)[0] for item in _brought(extra)}
