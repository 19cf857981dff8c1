"""A real JupyterLab on this machine, for tests that open notebooks as a person would."""

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Page

# Set where notebooks run without a person; here one is played.
BATCH = "ATE_BATCH"
QUIET = {"fetchNews": "false", "checkForUpdates": False}
START_SECONDS = 60
# What the last cell of a prepared notebook says.
DONE = "everything has run"


def at_smoke(source: Path, target: Path, run: Path, **parameters: str) -> Path:
    """A copy of a notebook with the smoke profile in its parameters, and others, and a last cell that says so."""
    notebook = json.loads(source.read_text(encoding="utf-8"))
    cell = next(c for c in notebook["cells"] if "parameters" in c["metadata"].get("tags", []))
    given = {"profile": "smoke", "run": str(run), **parameters}
    cell["source"] = "\n".join(["".join(cell["source"]), *(f"{name} = {value!r}" for name, value in given.items())])
    last = {"cell_type": "code", "id": "done", "metadata": {}, "outputs": [], "execution_count": None}
    notebook["cells"].append({**last, "source": f"print({DONE[:10]!r} + {DONE[10:]!r})"})
    target.write_text(json.dumps(notebook), encoding="utf-8")
    return target


@dataclass(frozen=True)
class Lab:
    """A running server: its address, its token, and where its notebooks are."""

    address: str
    token: str
    notebooks: Path

    def open(self, page: Page, notebook: str) -> None:
        """Open a notebook and wait for its kernel."""
        page.goto(f"{self.address}/lab/tree/{notebook}?token={self.token}&reset")
        page.wait_for_selector(".jp-NotebookPanel .jp-Notebook .jp-Cell", timeout=60_000)
        page.wait_for_function(
            "() => window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'",
            timeout=90_000,
        )


@contextmanager
def serve(folder: Path, notebooks: list[Path], environment: dict[str, str] | None = None) -> Iterator[Lab]:
    """Start JupyterLab in private folders under `folder`, on copies of `notebooks`; stop it at the end."""
    work = folder / "work"
    work.mkdir(parents=True)
    for notebook in notebooks:
        shutil.copy(notebook, work)
    settings = folder / "settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    (settings / "notification.jupyterlab-settings").write_text(json.dumps(QUIET))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    token = secrets.token_hex(16)
    private = {
        "JUPYTER_CONFIG_DIR": "config", "JUPYTER_DATA_DIR": "data", "JUPYTER_RUNTIME_DIR": "runtime",
        "JUPYTERLAB_WORKSPACES_DIR": "workspaces", "JUPYTERLAB_SETTINGS_DIR": "settings", "IPYTHONDIR": "ipython",
    }  # fmt: skip
    inherited = {name: value for name, value in os.environ.items() if name != BATCH}
    command = [
        sys.executable, "-m", "jupyter", "lab", "--no-browser", "--ip=127.0.0.1", f"--port={port}", "--allow-root",
        f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={work}", "--LabApp.expose_app_in_browser=True",
    ]  # fmt: skip
    with (folder / "server.log").open("w") as log:
        server = subprocess.Popen(
            command, stdout=log, stderr=subprocess.STDOUT,
            env={**inherited, **{name: str(folder / sub) for name, sub in private.items()}, "TOKEN": token,
                 **(environment or {})},
        )  # fmt: skip
        try:
            lab = Lab(f"http://127.0.0.1:{port}", token, work)
            _wait(lab, server, folder / "server.log")
            yield lab
        finally:
            server.terminate()
            server.wait(20)


def _wait(lab: Lab, server: subprocess.Popen, log: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        if server.poll() is not None:
            break
        try:
            urllib.request.urlopen(f"{lab.address}/api?token={lab.token}", timeout=2).close()
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.3)
        else:
            return
    raise RuntimeError(f"JupyterLab did not start:\n{log.read_text()[-3000:]}")


def start_all(page: Page) -> None:
    """Run all cells through the menu, without waiting for them."""
    page.locator(".lm-MenuBar-item", has_text="Run").first.click()
    page.locator('.lm-Menu-item[data-command="runmenu:run-all"]').click()


def run_all(page: Page, done: str, timeout_seconds: float = 180) -> None:
    """Run all cells through the menu; return when `done` stands in an output, raise at the first error shown."""
    start_all(page)
    # JupyterLab draws only the cells in view, so what has run is asked of the model, not of the page.
    page.wait_for_function(
        """done => {
          const cells = [...window.jupyterapp.shell.currentWidget.content.model.cells].filter(c => c.type === 'code');
          const outputs = cells.flatMap(cell => cell.sharedModel.getOutputs());
          return outputs.some(one => one.output_type === 'error' || JSON.stringify(one).includes(done));
        }""",
        arg=done,
        timeout=1000 * timeout_seconds,
    )
    errors = page.evaluate(
        """() => [...window.jupyterapp.shell.currentWidget.content.model.cells].filter(c => c.type === 'code')
          .flatMap(cell => cell.sharedModel.getOutputs()).filter(one => one.output_type === 'error')
          .map(one => one.ename + ': ' + one.evalue)"""
    )
    if errors:
        raise AssertionError("; ".join(errors))


def restart(page: Page) -> None:
    """Restart the kernel and forget what the cells have shown, so that `run_all` waits for what comes next."""
    page.evaluate(
        """async () => {
          await window.jupyterapp.commands.execute('notebook:clear-all-cell-outputs');
          await window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart();
        }"""
    )


def streams(page: Page) -> list[str]:
    """What the cells of the open notebook have left as text: `"stdout: …"`, `"stderr: …"`."""
    return page.evaluate(
        """() => [...window.jupyterapp.shell.currentWidget.content.model.cells].filter(c => c.type === 'code')
          .flatMap(cell => cell.sharedModel.getOutputs()).filter(one => one.output_type === 'stream')
          .map(one => one.name + ': ' + [one.text].flat().join(''))"""
    )


def show_every_cell(page: Page) -> None:
    """Scroll through the open notebook, because JupyterLab draws only what is near the view."""
    for index in range(page.evaluate("() => window.jupyterapp.shell.currentWidget.content.widgets.length")):
        page.evaluate("i => window.jupyterapp.shell.currentWidget.content.scrollToItem(i)", index)
