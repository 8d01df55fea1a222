"""Deep clustering of unlabelled, narrated video.

Every verb of the command line is a function here, with the same name and arguments.
"""

import sys
from types import ModuleType
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


class _Folder(ModuleType):
    """A folder of the package that is called like a verb: a call of it is the verb's."""

    def __call__(self, *args: Any, **values: Any) -> dict[str, Any]:
        return verb(self.__name__.rpartition(".")[2])(*args, **values)

    @property
    def __signature__(self) -> Any:
        import inspect

        return inspect.signature(verb(self.__name__.rpartition(".")[2]))


class _Package(ModuleType):
    """The import system binds `triptych.demo`, the folder, over `triptych.demo`, the verb."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name in MODULES and isinstance(value, ModuleType):
            value.__class__ = _Folder
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
