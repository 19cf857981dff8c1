"""Reminder: says at the first backward pass that a policy trains without the guidance that was attached to it."""

import warnings
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn


class NotGuided(UserWarning):
    """A policy trains, and guidance that was attached to it does not act, or nobody can end it."""


class Reminder:
    """Waits for the first gradient of a policy's weights.

    Its hooks are on every weight that trains, since it is not known which get a gradient, and go with the first one.
    """

    def __init__(self, policy: Any, network: nn.Module, complaint: Callable[[], str]) -> None:
        """Of a policy; `complaint` gives the text of the warning at that moment, or nothing."""
        self._complaint, self._hooks = complaint, ExitStack()
        weights = policy if isinstance(policy, nn.Module) else network
        for parameter in weights.parameters():
            if parameter.requires_grad and parameter.is_leaf:
                handle = parameter.register_post_accumulate_grad_hook(self._remind)
                self._hooks.callback(handle.remove)

    @torch.compiler.disable
    def _remind(self, _: Tensor) -> None:
        self.close()
        if text := self._complaint():
            warnings.warn(text, NotGuided, stacklevel=2)

    def close(self) -> None:
        """Wait no longer."""
        self._hooks.close()
