"""The steps of the Dockerfile without a Docker daemon: in a root of its own, as root, by chroot.

python -m benchmarks.dockerfile ROOT -- run --profile smoke

ROOT is a base system as `FROM` names it, with Python in /usr/local/bin: debootstrap and a copy of a Python, say. What
is copied comes from this clone's last commit. The words after `--` are those of `docker run`.
"""

import argparse
import json
import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

MOUNTED = ("/proc", "/dev", "/dev/shm", "/sys")


def steps(file):
    """Instructions and their words, lines that end in a backslash joined."""
    text = file.read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [tuple(line.split(None, 1)) for line in lines]


def inside(root, folder, environment, words):
    """Run words in the root, with the system's folders mounted for as long as they run."""
    mounts = "".join(f"mkdir -p {root}{place} && mount --bind {place} {root}{place} && " for place in MOUNTED)
    given = " ".join(f"{name}={shlex.quote(value)}" for name, value in environment.items())
    call = f"cd {folder} && exec env -i {given} {words}"
    script = f"{mounts} exec chroot {root} /bin/sh -c {shlex.quote(call)}"
    subprocess.run(["unshare", "-m", "/bin/sh", "-c", script], check=True)


def copied(root, context, folder, text):
    """COPY: files into a folder, a folder's content into a folder."""
    *sources, target = text.split()
    to = Path(f"{root}{os.path.normpath(Path(folder) / target)}")
    to.mkdir(parents=True, exist_ok=True)
    for source in sources:
        source = context / source
        subprocess.run(["cp", "-r", f"{source}/." if source.is_dir() else str(source), str(to)], check=True)


def main():
    cut = sys.argv.index("--")
    parser = argparse.ArgumentParser()
    parser.add_argument("root", type=Path)
    parser.add_argument("--env", action="append", default=[], help="NAME=VALUE for the steps, a package index say")
    given = parser.parse_args(sys.argv[1:cut])
    more = dict(item.split("=", 1) for item in given.env)
    environment, folder, entry = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/root"}, "/", []
    with tempfile.TemporaryDirectory() as work:
        context = Path(work)
        packed = subprocess.run(["git", "archive", "HEAD"], check=True, capture_output=True).stdout
        subprocess.run(["tar", "-x", "-C", work], input=packed, check=True)
        for name, text in steps(Path("Dockerfile")):
            print(name, text, flush=True)
            if name == "ENV":
                environment |= dict(item.split("=", 1) for item in shlex.split(text))
            elif name == "WORKDIR":
                folder = text
                Path(f"{given.root}{folder}").mkdir(parents=True, exist_ok=True)
            elif name == "COPY":
                copied(given.root, context, folder, text)
            elif name == "RUN":
                inside(given.root, folder, environment | more, f"/bin/sh -c {shlex.quote(text)}")
            elif name == "ENTRYPOINT":
                entry = json.loads(text)
    inside(given.root, folder, environment, shlex.join([*entry, *sys.argv[cut + 1 :]]))


if __name__ == "__main__":
    main()
