"""The command line: each verb's function, its errors in one line, its result for the eye."""

from __future__ import annotations

import functools
import inspect
import json as jsonlib
import os
import sys
from collections.abc import Callable
from typing import Annotated, Any, get_type_hints

import typer

from triptych.errors import UsageError, UserError
from triptych.verbs import MODULES, verb

app = typer.Typer(
    name="triptych",
    help="Deep clustering of unlabelled, narrated video: encoders, embeddings, clusters, search.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def main() -> None:
    """Run the command line; exit status 0 done, 1 failed, 2 wrong usage."""
    for name in MODULES:
        app.command(name)(command(verb(name)))
    app()


def command(function: Callable[..., dict[str, Any]]) -> Callable[..., None]:
    """The function as a command, with --json."""

    @functools.wraps(function)
    def run(*, json: bool, **values: Any) -> None:
        try:
            result = function(**values)
        except UsageError as error:
            _fail(str(error), 2)
        except UserError as error:
            _fail(str(error), 1)
        except KeyboardInterrupt:
            _fail("stopped; what was finished is kept", 130)
        except Exception as error:
            if os.environ.get("TRIPTYCH_DEBUG"):
                raise
            what = f"{type(error).__name__}: {error}".splitlines()[0]
            _fail(f"{what}; this is unexpected, TRIPTYCH_DEBUG=1 shows where", 1)
        else:
            _print(function.__name__, result, json)

    hints = get_type_hints(function, include_extras=True)
    hints["json"] = Annotated[bool, typer.Option("--json", help="print one JSON object")]
    hints["return"] = None
    parameters = [
        parameter.replace(annotation=hints[parameter.name])
        for parameter in inspect.signature(function).parameters.values()
    ]
    flag = inspect.Parameter("json", inspect.Parameter.KEYWORD_ONLY, default=False)
    parameters.append(flag.replace(annotation=hints["json"]))
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = hints
    return run


def _fail(line: str, status: int) -> None:
    print(f"error: {line}", file=sys.stderr)
    raise SystemExit(status)


def _print(name: str, result: dict[str, Any], json: bool) -> None:
    try:
        if json:
            print(jsonlib.dumps(result, ensure_ascii=False))
        else:
            from triptych.verbs.render import render

            render(name, result)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader (head, less) has seen enough; Python would complain again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
