"""The kernel of a notebook in batch: what it writes to its standard error is kept, and shown where it died."""

from typing import IO, Any

from jupyter_client.manager import AsyncKernelManager


def kernel_with(errors: IO[bytes]) -> type[AsyncKernelManager]:
    """A kernel manager, for nbclient's `kernel_manager_class`, whose kernel writes its standard error to a file.

    An interrupted kernel writes tracebacks of its own loop there, which say nothing of the notebook.
    """

    class Kernel(AsyncKernelManager):
        """Starts the kernel with that file."""

        def start_kernel(self, *arguments: Any, **options: Any) -> Any:
            """As nbclient calls it, which awaits what comes back."""
            start: Any = super().start_kernel
            return start(*arguments, **options, stderr=errors)

    return Kernel


def last_words(errors: IO[bytes], size: int = 4000) -> str:
    """The end of what was written, as text."""
    errors.seek(0)
    return errors.read()[-size:].decode("utf-8", "replace")
