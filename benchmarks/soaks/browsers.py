"""Every browser test again and again, while both cores are kept busy: a click that gets lost once in twenty shows here.

    python -m benchmarks.soaks.browsers [--rounds 20] [--busy 2] [--folder build/browsers] [PYTEST ARGUMENT …]

Each round is a pytest of its own, with new kernels and a new browser; the report of the four notebooks is opened as
often, of notebooks that run once. Prints passes by test and keeps each round's output in the folder. Ends with 1 if a
test failed once.
"""

import argparse
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from tqdm import tqdm

from ate.runs.tables import table_text

# Its notebooks take minutes and are no browser's work: they run once.
REPORT = Path("tests/test_notebooks.py")
ROUNDS = "ATE_ROUNDS"
OUTCOME = re.compile(r"^(tests/\S+?)(?:\[round\d+\])? (PASSED|FAILED|ERROR)\b", re.MULTILINE)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """As a plug-in of pytest: each test as often as the environment says, with the fixtures of its file kept."""
    metafunc.fixturenames.append("round_of_the_soak")
    rounds = int(os.environ[ROUNDS])
    metafunc.parametrize("round_of_the_soak", range(rounds), ids=[f"round{index}" for index in range(rounds)])


@contextmanager
def busy(processes: int) -> Iterator[None]:
    """Processes that keep as many cores busy, until the end of the block."""
    with ExitStack() as stack:
        for _ in range(processes):
            loop = stack.enter_context(subprocess.Popen([sys.executable, "-c", "while True: pass"]))
            stack.callback(loop.kill)
        yield


def outcomes(log: Path, more: list[str], rounds: int = 1) -> Counter[tuple[str, str]]:
    """One pytest over browser tests; how each test ended.

    Raises:
        RuntimeError: no browser test ran.
    """
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE", ROUNDS: str(rounds)}
    plug_in = ["-p", "benchmarks.soaks.browsers"] if rounds > 1 else []
    command = [sys.executable, "-m", "pytest", "-v", "--tb=short", "-n", "0", "-m", "browser", *plug_in, *more]
    with log.open("w") as output:
        subprocess.run(command, stdout=output, stderr=subprocess.STDOUT, env=environment, check=False)
    ended = Counter(OUTCOME.findall(log.read_text()))
    if not ended:
        raise RuntimeError(f"no browser test ran; pytest's output is in {log}")
    return ended


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--busy", type=int, default=2, help="cores that are kept busy; 0 where something else does")
    parser.add_argument("--folder", type=Path, default=Path("build/browsers"))
    given, more = parser.parse_known_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    ended: Counter[tuple[str, str]] = Counter()
    # Collecting every file would take longer than some of the tests.
    files = [str(f) for f in Path("tests").rglob("test_*.py") if f != REPORT and "mark.browser" in f.read_text()]
    with busy(given.busy):
        for turn in tqdm(range(given.rounds), unit="round"):
            ended += outcomes(given.folder / f"round{turn:02}.log", more or files)
        if not more:
            ended += outcomes(given.folder / "report.log", [str(REPORT)], given.rounds)
    tests = sorted({test for test, _ in ended})
    rows = [{"test": test, "passed": f"{ended[test, 'PASSED']} of {given.rounds}"} for test in tests]
    print(table_text(rows))
    raise SystemExit(any(ended[test, "PASSED"] != given.rounds for test in tests))


if __name__ == "__main__":
    main()
