"""What trajectories are made with, which an installation without a network may lack."""

from __future__ import annotations

from importlib.util import find_spec

from triptych.errors import UserError

PACKAGES = {"cv2": "opencv-contrib-python-headless", "numba": "numba"}


def missing() -> list[str]:
    """The packages to install before a trajectory can be made, by the names that pip knows."""
    return [package for module, package in PACKAGES.items() if find_spec(module) is None]


def require() -> None:
    """Raise UserError, in one line that says what to install, where something is missing."""
    if lacking := missing():
        raise UserError(
            f"trajectories need {' and '.join(lacking)}, not installed here; "
            f"`python -m pip install {' '.join(lacking)}`"
        )
