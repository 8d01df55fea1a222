"""Functions that numba compiles, as the type checker sees them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

import numba

Function = TypeVar("Function", bound=Callable[..., object])


def compiled(function: Function) -> Function:
    """The function as machine code, compiled at its first call and kept on disk for the next run.

    Products and sums may be fused, and sums taken in another order; both are settled when the code
    is compiled, so that a frame gives the same numbers on every call.
    """
    options = {"contract", "nsz", "reassoc"}
    return cast(
        "Function",
        numba.njit(cache=True, nogil=True, error_model="numpy", fastmath=options)(function),
    )
