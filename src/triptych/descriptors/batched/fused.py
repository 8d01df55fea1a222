"""Functions of many small steps a pixel, which a GPU should take in one pass over memory."""

from __future__ import annotations

import functools
import os
import shutil
from collections.abc import Callable
from importlib.util import find_spec
from typing import ParamSpec, TypeVar, cast

import torch
from torch import Tensor

from triptych.progress import say

Given = ParamSpec("Given")
Made = TypeVar("Made")


def fused(function: Callable[Given, Made]) -> Callable[Given, Made]:
    """The function, compiled by torch where its first argument is a tensor on a GPU.

    On a CPU it runs as it is written. Compiled once for all sizes, for the levels of a pyramid have
    many.
    """
    compiled = functools.cache(lambda: torch.compile(function, dynamic=True))

    @functools.wraps(function)
    def call(*given: Given.args, **named: Given.kwargs) -> Made:
        if cast("Tensor", given[0]).is_cuda and _compiles():
            return compiled()(*given, **named)
        return function(*given, **named)

    return call


@functools.cache
def _compiles() -> bool:
    """Whether torch has what it needs to compile for a GPU; said once where not."""
    lacks = []
    if find_spec("triton") is None:
        lacks.append("the package triton")
    if not (os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc")):
        lacks.append("a C compiler")
    if lacks:
        say(f"trajectories: nothing is compiled for the GPU without {' and '.join(lacks)}: slower")
    return not lacks
