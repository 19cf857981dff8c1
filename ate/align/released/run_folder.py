"""A training of both stages as a folder: checkpoints that resume, the alignment, files for the release, a run card."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ate.align.alignment import FILE, Alignment, digests_of
from ate.align.config import AlignConfig
from ate.align.evaluate.scorecard import scorecard
from ate.align.released.config import SeedConfig
from ate.align.released.weights import export_released
from ate.align.stages import fit, fit_first
from ate.align.trainer import Best
from ate.data.episodes import Episodes
from ate.data.loading import load, load_sets
from ate.data.space import spaces
from ate.errors import InputError
from ate.runs.card import card
from ate.runs.distributed import leader
from ate.runs.files import write_json
from ate.runs.loop import LAST

DEFAULT_FOLDER = Path("runs") / "align"
CARD = "card.json"


@dataclass
class Job:
    """One run of `ate align`.

    Attributes:
        pretrain: episodes of the pre-training robots.
        adapt: episodes of the adaptation robot.
        config: how to train.
        folder: where everything goes.
        seed: seed of the run.
        command: the command line, for the run card.
        both_stages: train stage 2 as well.
        accepted: findings of the doctor that are accepted although they are FAIL, first in the run card.
        alignment: the result, once `run` has trained both stages.
    """

    pretrain: Sequence[Episodes]
    adapt: Episodes
    config: AlignConfig
    folder: Path
    seed: int
    command: str
    both_stages: bool = True
    accepted: Sequence[str] = ()
    alignment: Alignment | None = field(default=None, init=False)

    @classmethod
    def from_seed_config(
        cls, file: SeedConfig, config: AlignConfig, out: Path | None, seed: int, command: str
    ) -> "Job":
        """By a YAML file of the release.

        Args:
            file: names the data, and the run to continue if there is one.
            config: the file's options, and any others.
            out: folder of a run that does not continue another.
            seed: seed of the run.
            command: the command line.

        Raises:
            InputError: the data have another number of columns, there is nothing to resume, or the folder holds a run.
        """
        folder = _folder(file, out)
        pretrain, adapt = load_sets(file.pretrain), load(file.adapt)
        _check_columns(file, pretrain, adapt)
        return cls(pretrain, adapt, config, folder, seed, command, file.auto or file.start_stage == "Stage2")

    def run(self) -> list[Path]:
        """Train; returns the files that were written, all by the leader if there are several processes.

        In the folder: `alignment.safetensors`, `vae_{pretrain,adapt}_{Best,Last}.pth` under the release's key names,
        `card.json`, and checkpoints and metrics of each stage. Best is by held-out loss, Last by step. Networks with an
        own read-out or a linear path, which the release does not have, are not among them.
        """
        files = []
        if self.both_stages:
            self.alignment = fit(self.pretrain, self.adapt, self.config, self.folder, self.seed)
            files.append(self.folder / FILE)
            networks = {"pretrain": self.alignment.pretrain_vae}
            if self.alignment.vae is not self.alignment.pretrain_vae:
                networks["adapt"] = self.alignment.vae
        else:
            networks = {"pretrain": fit_first(self.pretrain, self.adapt, self.config, self.folder, self.seed)}
        if not leader():
            return []
        for stage, vae in networks.items() if self.config == self.config.published else ():
            for name, best in (("Best", Best.of(self.folder / stage)), ("Last", Best.last(self.folder / stage))):
                files.append(export_released(best.into(vae), self.folder / f"vae_{stage}_{name}.pth"))
        hashes, file = digests_of(self.pretrain, self.adapt), self.folder / CARD
        recorded = card(self.config.to_dict(), seeds={"seed": self.seed}, hashes=hashes, command=self.command)
        known = {"accepted": list(self.accepted)} if self.accepted else {}
        converted = {s.robot: s.conversion for s in (*self.pretrain, self.adapt) if s.conversion}
        write_json(file, {**known, **({"converted": converted} if converted else {}), **recorded})
        return [*files, file]

    def verdict(self) -> str:
        """The scorecard's verdict on what `run` trained.

        Raises:
            InputError: too few episodes for a verdict, or nothing trained yet.
        """
        if self.alignment is None:
            raise InputError("no alignment", where="job", expected="both stages trained", fix="call run first")
        return scorecard(self.alignment, self.pretrain, self.adapt, self.seed).verdict


def _folder(file: SeedConfig, out: Path | None) -> Path:
    """The folder of a run by a YAML file; only `resume: True` continues a run that it holds."""
    folder = file.directory if file.resume and file.directory else out or DEFAULT_FOLDER
    holds_run = (folder / "pretrain" / LAST).exists()
    if file.resume and out is not None and out.resolve() != folder.resolve():
        raise InputError(
            f"--out {out} and pretrained_model_dir {folder}",
            where="resume",
            expected="one folder",
            fix="leave --out away: a resumed run stays where it is",
        )
    if file.resume and not holds_run:
        weights = sorted(path.name for path in folder.glob("*.pth")) if folder.is_dir() else []
        raise InputError(
            f"the release's weights ({weights[0]}), without a training state" if weights else "no checkpoint of a run",
            where=f"pretrained_model_dir {folder}",
            expected="a folder that `ate align` has written to",
            fix="set resume to False to train anew"
            + ("; ate.align.load_released reads such weights" if weights else ""),
        )
    if holds_run and not file.resume:
        raise InputError(
            "a run",
            where=str(folder),
            expected="an empty or new folder, because the file does not set resume: True",
            fix="choose another --out, or set resume (enable_resume) to True and pretrained_model_dir to this one",
        )
    return folder


def _check_columns(file: SeedConfig, pretrain: Sequence[Episodes], adapt: Episodes) -> None:
    """`in_channels` must be the adaptation robot's columns, or those of the vector that all robots share."""
    if file.in_channels is None:
        return
    shared = spaces([*pretrain, adapt])[0].width
    if file.in_channels not in (adapt.dof, shared):
        counts = ", ".join(f"{episodes.robot} {episodes.dof}" for episodes in (*pretrain, adapt))
        raise InputError(
            f"in_channels: {file.in_channels}",
            where=f"data in {file.pretrain} and {file.adapt}",
            expected=" or ".join(str(n) for n in sorted({adapt.dof, shared})) + f": their columns are {counts}",
            fix=f"set in_channels to {adapt.dof}, or name other data",
        )
