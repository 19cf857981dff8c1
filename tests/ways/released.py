"""Ways out of the release's files."""

import json
from dataclasses import replace

import torch
import yaml

import ate.align
from ate.align.released import run_folder
from ate.align.released.config import read_seed_config
from ate.align.released.weights import from_released, to_released
from ate.align.vae import InfoVAE
from ate.runs import checkpoint
from ate.steer import Guidance
from ate.steer.released import guidance_of
from tests.align.test_released_config import DOCUMENTED
from tests.ways.taking import way
from tests.ways.worlds import VAE, small, world


def _yaml(p, text=DOCUMENTED, **changed):
    tree = {**yaml.safe_load(text), **changed}
    (p.path / "seed.yaml").write_text(yaml.safe_dump({k: v for k, v in tree.items() if v is not None}))
    return [p.path / "seed.yaml"]


@way("align/released/config.py read_seed_config", "align/released/config.py read_seed_config#2",
     "align/released/config.py read_seed_config#3", "align/released/config.py _read")  # fmt: skip
def _(p):
    if p.site.endswith("#2"):
        value = yield lambda: read_seed_config(_yaml(p, SA_step=2)), r"set it to (1):"
        read_seed_config(_yaml(p, SA_step=int(value)))
    elif p.site.endswith("#3"):
        resumed = {"enable_resume": True, "pretrained_model_dir": None}
        name = yield lambda: read_seed_config(_yaml(p, **resumed)), r"add (\w+)$"
        read_seed_config(_yaml(p, **{**resumed, name: "/runs/one"}))
    elif p.site.endswith("_read"):
        yield (
            lambda: read_seed_config(_yaml(p, stage1_s_length=16, stage2_s_length=8)),
            "make them equal, or remove one",
        )
        read_seed_config(_yaml(p, s_length=None, stage1_s_length=16, stage2_s_length=16))
        read_seed_config(_yaml(p, s_length=None, stage1_s_length=16))
    else:
        yield lambda: read_seed_config(_yaml(p, pretraining_dataset_dir=None)), "add it"
        read_seed_config(_yaml(p))


@way("align/released/run_folder.py _folder", "align/released/run_folder.py _folder#2",
     "align/released/run_folder.py _folder#3", "align/released/run_folder.py _check_columns")  # fmt: skip
def _(p):
    w = world()
    run = p.path / "run"
    checkpoint.save(run / "pretrain" / run_folder.LAST, {"a": 1})

    def given(**changed):
        return read_seed_config(_yaml(p, **changed))

    if p.site.endswith("_folder"):
        file = given(enable_resume=True, pretrained_model_dir=str(run))
        yield lambda: run_folder._folder(file, p.path / "out"), "leave --out away"
        assert run_folder._folder(file, None) == run
    elif p.site.endswith("#2"):
        empty = p.path / "empty"
        name, value = yield (
            lambda: run_folder._folder(given(enable_resume=True, pretrained_model_dir=str(empty)), None),
            r"set (\w+) to (False)",
        )
        assert name == "resume"
        run_folder._folder(given(enable_resume=value == "True", pretrained_model_dir=str(empty)), p.path / "new")
        vae = InfoVAE(VAE)
        torch.save(to_released(vae), empty.with_suffix(".pth"))
        empty.mkdir()
        empty.with_suffix(".pth").rename(empty / "vae_adapt_Best.pth")
        name = yield (
            lambda: run_folder._folder(given(enable_resume=True, pretrained_model_dir=str(empty)), None),
            r"(ate\.align\.load_released) reads such weights",
        )
        ate.align.load_released(empty / "vae_adapt_Best.pth")
    elif p.site.endswith("#3"):
        option, name, folder = yield (
            lambda: run_folder._folder(given(), run),
            r"choose another (--out), or set resume \((\w+)\) to True and (\w+) to this one",
        )
        assert option == "--out" and run_folder._folder(given(), p.path / "new")
        run_folder._folder(given(**{name: True, folder: str(run)}), None)
    else:
        columns = yield (
            lambda: run_folder._check_columns(given(in_channels=99), [w.old], w.new),
            r"set in_channels to (\d+)",
        )
        run_folder._check_columns(given(in_channels=int(columns)), [w.old], w.new)


@way("align/released/run_folder.py Job.verdict")
def _(p):
    w = world()
    job = run_folder.Job([w.old], w.new, small(), p.path / "job", 0, "ate align")
    yield job.verdict, "call run first"
    job.run()
    assert job.verdict()


@way("align/released/weights.py load_released", "align/released/weights.py load_released#2",
     "align/released/weights.py load_released#3", "align/released/weights.py from_released",
     "align/released/weights.py from_released#2", "align/released/weights.py _config")  # fmt: skip
def _(p):
    file, good = p.path / "vae.pth", to_released(InfoVAE(VAE))
    read = ate.align.load_released
    if p.site.endswith("load_released"):
        yield lambda: read(file), "check the path"
    elif p.site.endswith("load_released#2") or p.site.endswith("load_released#3"):
        torch.save([1], file) if p.site.endswith("#3") else file.write_bytes(b"nothing")
        line = yield lambda: read(file), r"(model\.state_dict\(\))"
        assert list(eval(line, {"model": InfoVAE(VAE)}))
    elif p.site.endswith("from_released"):
        key = next(iter(good))
        yield lambda: from_released({k: v for k, v in good.items() if k != key}), "pass the whole state dict of the VAE"
    elif p.site.endswith("from_released#2"):
        key = next(k for k, v in good.items() if v.dim() == 2)
        yield lambda: from_released({**good, key: good[key][:, :-1]}), "check that all weights are of one network"
    else:
        from ate.align.released.weights import SIZES

        yield lambda: from_released({**good, SIZES[0]: torch.zeros(3)}), "check that the weights are an Info-VAE's"
    torch.save(good, file)
    read(file)


def _released(p):
    """A configuration of the release beside its encoder of 128 slots."""
    torch.save(to_released(InfoVAE(replace(VAE, features=128))), p.path / "vae.pth")
    return {"pretrained_path": str(p.path / "vae.pth"), "mask": [0, 1, 2, 3, 4, 5, 10], "lambda": 1.0, "clamp": 0.1}


@way("steer/released.py guidance_of", "steer/released.py guidance_of#2", "steer/released.py guidance_of#3",
     "steer/released.py _checked", "steer/released.py _checked#2", "steer/released.py _checked#3",
     "steer/released.py _mask")  # fmt: skip
def _(p):
    block, end = _released(p), p.site.split()[1]
    if end == "guidance_of":
        name = yield lambda: guidance_of({**block, "latent_dim": 99}, 8), r"correct (\w+), or give the encoder"
        guidance_of({**block, name: VAE.latent}, 8)
    elif end == "guidance_of#2":
        vae = InfoVAE(VAE)
        torch.save(to_released(vae), p.path / "vae.pth")
        name = yield lambda: guidance_of(block, 8), r"or use Guidance\((\w+)=…\)"
        Guidance(vae, **{name: (0, 1, 2, 3, 4)})
        _released(p)
    elif end == "guidance_of#3":
        yield lambda: guidance_of(block, 10_000), "align with the policy's horizon"
    elif end == "_checked":
        names = yield lambda: guidance_of({"vae": [1]}, 8), r"give the fields (.*)$"
        assert set(block) <= set(names.split(", "))
    elif end == "_checked#2":
        name = yield lambda: guidance_of({**block, "clamp": "x"}, 8), r"correct (\w+)$"
        block[name] = 0.1
    elif end == "_checked#3":
        name = yield lambda: guidance_of({k: v for k, v in block.items() if k != "clamp"}, 8), r"add (\w+)$"
        block[name] = 0.1
    else:
        words = yield lambda: guidance_of({**block, "mask": [0, 200]}, 8), r"`ate (mask --robot) NAME`"
        p.ate(*words.split(), "ur5e")
        from ate.robots import profile, slot_mask

        block["mask"] = json.loads(json.dumps(list(slot_mask(profile("ur5e")))))
    guidance_of(block, 8)
