"""Slurm: jobs through submitit, on a cluster or, for tests and laptops, in processes that it starts itself.

The waiting process may be interrupted: jobs on Slurm continue. The next call finds those that are queued or running by
the records in the folder and waits for them instead of submitting them again. Only the queue (`squeue`), which every
cluster has, is asked for running jobs; accounting (`sacct`) is not needed.

A job that is preempted or reaches its time limit is queued again by submitit and continues with what is missing. Slurm
does the same if a node fails.
"""

import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ate.errors import InputError, install
from ate.experiments.job import LOST, RAISED, Job, JobFailure
from ate.runs.files import read_json, write_json

RECORDS, WHERE = "submitted", "executor 'slurm'"
# Minutes a job may take, if the option is not given.
TIME = 240
# Seconds between two looks for results, and between two calls of squeue.
LOOK, ASK = 0.5, 5.0
# Seconds by which a result may appear here later than its job ends: file servers cache listings of folders.
PATIENCE = 20.0
# Our options, and submitit's names for them.
NAMES: Mapping[str, str] = {
    "time": "timeout_min", "cpus": "cpus_per_task", "gpus": "gpus_per_node", "mem": "mem_gb",
    "partition": "slurm_partition", "account": "slurm_account", "qos": "slurm_qos", "constraint": "slurm_constraint",
    "parallel": "slurm_array_parallelism",
}  # fmt: skip


@dataclass(frozen=True)
class Requeued:
    """A job as submitit takes it: its rest is the same job again, because its results are on disk."""

    job: Job

    def __call__(self) -> None:
        """Do it."""
        self.job()

    def checkpoint(self) -> Any:
        """The job to queue when time is up."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)


def run(
    jobs: Sequence[Job], folder: Path, slurm: bool, options: Mapping[str, Any], workers: int
) -> Iterator[tuple[int, JobFailure | None]]:
    """As `ate.experiments.executors.Executor.run`, on Slurm or in local processes.

    Raises:
        InputError: submitit or Slurm is not installed, or Slurm refuses the jobs.
    """
    _check_installed(slurm)
    folder = folder.resolve()
    executor = _executor(folder, slurm, options)
    return _on_slurm(jobs, folder, executor) if slurm else _locally(jobs, executor, workers)


def _check_installed(slurm: bool) -> None:
    try:
        import submitit  # noqa: F401
    except ImportError as error:
        fix = install("cluster")
        raise InputError("no submitit", where="executor", expected="the extra `cluster`", fix=fix) from error
    if slurm and not (shutil.which("sbatch") and shutil.which("squeue")):
        expected = "a machine that submits to a Slurm cluster"
        fix = "log in to one, or use the executor processes"
        raise InputError("no sbatch or squeue on the path", where=WHERE, expected=expected, fix=fix)


def _executor(folder: Path, slurm: bool, options: Mapping[str, Any]) -> Any:
    import submitit

    executor = submitit.AutoExecutor(folder, cluster="slurm" if slurm else "local")
    parameters = {NAMES[name]: value for name, value in {"time": TIME, **options}.items() if name != "per"}
    if slurm:
        parameters |= {"slurm_additional_parameters": {"requeue": True}, "slurm_job_name": "ate"}
    executor.update_parameters(name="ate", **parameters)
    return executor


def _locally(jobs: Sequence[Job], executor: Any, workers: int) -> Iterator[tuple[int, JobFailure | None]]:
    """At most `workers` local processes at once; they end with this process, and are not found again."""
    waiting, running = list(range(len(jobs))), dict[int, Any]()
    while waiting or running:
        while waiting and len(running) < workers:
            index = waiting.pop(0)
            running[index] = executor.submit(Requeued(jobs[index]))
        for index in [index for index, handle in running.items() if handle.done()]:
            yield index, _outcome(running.pop(index))
        time.sleep(LOOK / 5)


def _on_slurm(jobs: Sequence[Job], folder: Path, executor: Any) -> Iterator[tuple[int, JobFailure | None]]:
    handles = _attached(jobs, folder)
    unsubmitted = [index for index in range(len(jobs)) if index not in handles]
    for index, handle in zip(unsubmitted, _submit([jobs[i] for i in unsubmitted], executor), strict=True):
        handles[index] = handle
        write_json(_record(folder, jobs[index]), {"job": handle.job_id})
    last_asked = time.monotonic()
    gone: dict[int, float] = {}
    while handles:
        time.sleep(LOOK)
        now = time.monotonic()
        queue = None
        if now - last_asked > ASK:
            queue, last_asked = _queue(), now
        for index, handle in list(handles.items()):
            if _has_result(handle):
                yield index, _outcome(handles.pop(index))
            elif queue is not None and handle.job_id in queue:
                gone.pop(index, None)
            elif queue is not None and now - gone.setdefault(index, now) > PATIENCE:
                yield index, _lost(handles.pop(index))


def _attached(jobs: Sequence[Job], folder: Path) -> dict[int, Any]:
    """Jobs that an earlier call submitted and that are queued or running."""
    import submitit

    records = {i: _record(folder, job) for i, job in enumerate(jobs) if _record(folder, job).exists()}
    queue = _queue() if records else set()
    known = {index: read_json(file)["job"] for index, file in records.items()}
    if queue is None:
        expected = "a cluster that answers, because jobs were submitted before"
        fix = "try again when its controller is up"
        raise InputError("no answer from squeue", where=WHERE, expected=expected, fix=fix)
    return {index: submitit.SlurmJob(folder, job) for index, job in known.items() if job in queue}


def _submit(jobs: Sequence[Job], executor: Any) -> list[Any]:
    from submitit.core.utils import FailedJobError, FailedSubmissionError

    if not jobs:
        return []
    try:
        with executor.batch():
            return [executor.submit(Requeued(job)) for job in jobs]
    except (FailedJobError, FailedSubmissionError) as error:
        got = " ".join(str(error).split())
        fix = "correct partition, account or limits: --executor slurm:partition=…,time=…"
        raise InputError(got, where=WHERE, expected="jobs that sbatch accepts", fix=fix) from error


def _record(folder: Path, job: Job) -> Path:
    return folder / RECORDS / f"{job.key}.json"


def _queue() -> set[str] | None:
    """Ids of the jobs that are queued or running, arrays one by one; None where the controller does not answer."""
    answer = subprocess.run(["squeue", "--array", "--noheader", "--format=%i"], capture_output=True, text=True)
    # Some versions show an array of one job under its own number, others under array and index.
    return set(answer.stdout.split()) if answer.returncode == 0 else None


def _has_result(handle: Any) -> bool:
    # Listing the folder makes a file server refresh it.
    folder: Path = handle.paths.folder
    return any(entry.name == handle.paths.result_pickle.name for entry in folder.iterdir())


def _outcome(handle: Any) -> JobFailure | None:
    """How a job ended that has a result, or whose process is gone."""
    if not _has_result(handle):
        return _lost(handle)
    error = handle.exception()
    if error is None:
        return None
    trace = str(error)
    # submitit passes the traceback on as text between two lines of dashes; its last line has type and message.
    lines = [line for line in trace.split("-" * 22)[1].splitlines() if line.strip()] if "-" * 22 in trace else [trace]
    last = next((line for line in reversed(lines) if not line.startswith(" ")), trace)
    name, _, message = last.partition(": ")
    return JobFailure(RAISED, name.rsplit(".", 1)[-1], message or last, trace)


def _lost(handle: Any) -> JobFailure:
    log = (handle.stderr() or handle.stdout() or "").strip()
    message = f"job {handle.job_id} ended without a result: cancelled, killed, or its node failed"
    return JobFailure(LOST, "JobLost", message, "\n".join(log.splitlines()[-40:]))
