"""Model card: what an alignment or a policy is, for people who find it on the hub; and its way there."""

from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ate.align.alignment import FILE, Alignment
from ate.data.passport import Passport
from ate.errors import InputError, install
from ate.policies.policy import FILE as POLICY
from ate.policies.policy import Policy
from ate.runs import checkpoint

CARD = "README.md"


@dataclass(frozen=True)
class Model:
    """Something that was trained, in one file.

    Attributes:
        file: the file.
        kind: `"alignment"` or `"policy"`.
        facts: what to know of it, by name.
        passports: of the action spaces it works in.
    """

    file: Path
    kind: str
    facts: dict[str, Any]
    passports: tuple[Passport, ...]

    @classmethod
    def of(cls, path: str | Path) -> "Model":
        """The alignment or policy in a file, the only alignment in a folder, or the policy of a policy's folder.

        Raises:
            InputError: neither is there.
        """
        place = Path(path)
        inside = sorted(place.rglob(FILE)) if place.is_dir() else [place]
        files = [file for file in inside or [place / POLICY] if file.is_file()]
        if len(files) != 1:
            got = f"{len(files)} of them: {', '.join(map(str, files))}" if files else "no checkpoint"
            fix = "give the file of an alignment, or the .safetensors of a policy"
            raise InputError(got, where=str(path), expected="an alignment or a policy", fix=fix)
        file = files[0]
        if checkpoint.load(file).get("kind") == "alignment":
            return cls._alignment(file, Alignment.load(file, "cpu"))
        return cls._policy(file, Policy.load(file))

    @classmethod
    def _alignment(cls, file: Path, alignment: Alignment) -> "Model":
        config = alignment.config
        facts = {
            "pre-training robots": ", ".join(space.embodiment.name for space in alignment.pretrain_spaces),
            "new robot": alignment.space.embodiment.name,
            "chunk": f"{config.chunk} rows",
            "works on": "tool motion" if alignment.tool_spaces else "joints",
            "seed": alignment.seed,
        }
        return cls(file, "alignment", facts, alignment.passports)

    @classmethod
    def _policy(cls, file: Path, policy: Policy) -> "Model":
        config = policy.config
        facts = {
            "robots": ", ".join(space.embodiment.name for space in policy.spaces),
            "horizon": f"{config.horizon} rows",
            "predicts": config.parameterization,
            "task state": f"{config.state} columns" if config.state else "none: it sees joints alone",
            "weights": f"{sum(weight.numel() for weight in policy.parameters()):,}",
        }
        return cls(file, "policy", facts, policy.passports)

    @property
    def text(self) -> str:
        """The card in Markdown."""
        use = {
            "alignment": 'alignment = ate.align.Alignment.load("FOLDER")',
            "policy": f'policy = ate.policies.Policy.load("FOLDER/{self.file.name}")',
        }[self.kind]
        head = ["---", "library_name: ate", "tags:", "- robotics", "- align-then-steer", f"- {self.kind}", "---", ""]
        what = f"# {self.kind.capitalize()} of the ATE workbench"
        facts = ["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in self.facts.items())]
        made = f"Made with ate {version('ate')}. Joints are in radians (metres where they slide), grippers from 0 to 1."
        code = ["```python", "import ate", "", use, "```"]
        spaces = [
            f"- `{passport.robot}`: {', '.join(name for name, _ in passport.joints)}" for passport in self.passports
        ]
        rest = [made, "", *facts, "", "## Use", "", *code, "", "## Action spaces", "", *spaces]
        limits = "It is of use on these joints, in this order, at the rate of its training data, and nowhere else."
        return "\n".join([*head, what, "", *rest, "", "## Limits", "", limits, ""])

    def push(self, repository: str, private: bool = True, api: Any = None) -> str:
        """Send file and card to a repository of the hub, which is made if it is missing; returns its address.

        Args:
            repository: `user/name`.
            private: whether only its owner sees a repository that is made here.
            api: a `huggingface_hub.HfApi`, by default one with the user's own login.

        Raises:
            InputError: a name of another form, or huggingface_hub is not installed.
        """
        if repository.count("/") != 1 or not all(repository.split("/")):
            fix = "name it as on the hub, e.g. --to jane/lift-ur5e"
            raise InputError(repr(repository), where="repository", expected="user/name", fix=fix)
        if api is None:
            try:
                from huggingface_hub import HfApi
            except ModuleNotFoundError as error:
                fix, expected = install("hub"), "the hub's client"
                raise InputError("no huggingface_hub", where="ate push", expected=expected, fix=fix) from error
            api = HfApi()
        address = str(api.create_repo(repository, private=private, exist_ok=True))
        api.upload_file(path_or_fileobj=self.text.encode(), path_in_repo=CARD, repo_id=repository)
        api.upload_file(path_or_fileobj=str(self.file), path_in_repo=self.file.name, repo_id=repository)
        return address
