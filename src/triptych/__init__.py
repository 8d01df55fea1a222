"""Deep clustering of unlabelled, narrated video.

Every verb of the command line is a function here, with the same name and arguments.
"""

from typing import Any

from triptych.errors import UserError
from triptych.verbs import MODULES, verb

__version__ = "0.1.0"
__all__ = ["UserError", "__version__", *MODULES]


def __getattr__(name: str) -> Any:
    # On first use, so that `import triptych` costs nothing.
    if name in MODULES:
        return verb(name)
    raise AttributeError(f"module 'triptych' has no attribute {name!r}")
