"""Every part in a process of its own with a deadline; JSON and Markdown are written after each.

    python -m benchmarks.gpu [--device cuda] [--quick] [--out build/gpu]

Packages that the machine lacks are installed from the wheels in `build/wheels`, which `make gpu-wheels` fills, into a
folder of this run's; nothing is fetched.
"""

import argparse
import importlib.util
import json
import multiprocessing
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.gpu.part import part

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("MUJOCO_GL", "disabled")

# Seconds that each part may take on a GPU: six minutes and a half in all.
DEADLINES = {"versions": 20, "scenarios": 100, "peak": 20, "stage 1": 110, "guided": 90, "grid": 50}
# On a CPU, where nothing but whether a part runs is told, and whose cores others may use, as many times that.
PATIENCE = 6
NEEDED = ("cachetools", "diffusers")
ROOT = Path(__file__).parents[2]


def install(out: Path) -> None:
    """Put the packages that are missing into a folder of this run's, from the wheels, where all parts find them."""
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        command = [sys.executable, "-m", "pip", "install", "-q", "--no-index", "--no-deps", "--find-links"]
        wheels = str(ROOT / "build" / "wheels")
        subprocess.run([*command, wheels, "--target", str(out / "packages"), *missing], check=True)
    # For the server that imports them once for all parts, and for the parts.
    sys.path.append(str(out / "packages"))


def markdown(found: dict[str, Any]) -> str:
    """The parts as tables."""
    lines = ["# On the device", ""]
    for name, one in found.items():
        lines += [f"## {name}: {one['ended']}, {one['seconds']} s", "", "| what | found |", "|---|---|"]
        for key, value in one["found"].items():
            text = ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else str(value)
            lines.append(f"| {key} | {text.replace('|', '/')} |")
        lines.append("")
    return "\n".join(lines)


def main() -> None:
    """Run all parts; exit code 1 where one did not end, or a scenario failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--quick", action="store_true", help="small sizes: whether every part runs")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "gpu")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    install(given.out)
    # Forks of a server that has imported what parts need, and has not touched the device, start at once.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([f"benchmarks.gpu.{name}" for name in ("part", "scenarios", "speed", "policies")])
    found: dict[str, Any] = {}
    for name, deadline in DEADLINES.items():
        file, began = given.out / f"{name.replace(' ', '_')}.json", time.monotonic()
        file.write_text("{}")
        process = context.Process(target=part, args=(name, str(file), given.device, given.quick))
        process.start()
        process.join(deadline if given.device.startswith("cuda") else PATIENCE * deadline)
        ended = "cut at its deadline" if process.is_alive() else "done" if process.exitcode == 0 else "failed"
        if process.is_alive():
            process.kill()
            process.join()
        found[name] = {
            "ended": ended, "seconds": round(time.monotonic() - began, 1), "found": json.loads(file.read_text()),
        }  # fmt: skip
        (given.out / "gpu.json").write_text(json.dumps(found, indent=1))
        (given.out / "gpu.md").write_text(markdown(found))
    sys.stdout.write(markdown(found))
    errors = [key for one in found.values() for key, value in one["found"].items() if "error" in str(value)[:9]]
    sys.exit(bool(errors) or any(one["ended"] != "done" for one in found.values()))


if __name__ == "__main__":
    main()
