"""Refusal: what a file system says when it refuses, as an error of bad input: a full disk, no permission."""

import errno
import os
import re

from ate.errors import InputError

# How libraries that are not written in Python give the number of the system's error.
_NUMBER = re.compile(r"(?:os error|errno =|\[Errno) (\d+)")
_FILE = re.compile(r"filename = '([^']+)'")
FULL = (errno.ENOSPC, errno.EDQUOT)
CLOSED = (errno.EACCES, errno.EPERM, errno.EROFS)
ELSEWHERE = "name a folder elsewhere (--run, --out or the last argument)"


def number_of(error: BaseException) -> int | None:
    """The number of the system's error (`errno`); None for errors of any other kind."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno
    if not isinstance(error, OSError) and not type(error).__module__.startswith(("safetensors", "h5py", "builtins")):
        return None
    match = _NUMBER.search(str(error))
    return None if match is None else int(match.group(1))


def refused(error: BaseException) -> InputError | None:
    """The error as one of bad input, with the way out; None where no file system refused.

    Args:
        error: as it arrived; errors that it was raised from are looked at too.
    """
    seen: BaseException | None = error
    while seen is not None:
        number = number_of(seen)
        if number is not None or isinstance(seen, OSError):
            return _in_words(seen, number)
        seen = seen.__cause__
    return None


def _in_words(error: BaseException, number: int | None) -> InputError:
    match = _FILE.search(str(error))
    name = getattr(error, "filename", None) or (None if match is None else match.group(1))
    where = "the file system" if name is None else str(name)
    if number in FULL:
        return InputError(
            "no space left on the device" if number == errno.ENOSPC else "no space left by the quota",
            where=where,
            expected="room to write",
            fix=f"make room, or {ELSEWHERE}; what was finished is kept, and the same command goes on from there",
        )
    if number in CLOSED:
        return InputError(
            "a read-only file system" if number == errno.EROFS else "no permission",
            where=where,
            expected="files that can be read, and a folder that can be written to",
            fix=f"change its permissions, or {ELSEWHERE}",
        )
    text = " ".join(str(error).split()) if number is None else os.strerror(number).lower()
    return InputError(
        text,
        where=where,
        expected="a file or folder that can be used",
        fix=f"check the path and the disk that it is on, or {ELSEWHERE}",
    )
