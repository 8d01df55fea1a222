"""The command line: each verb's function, its errors in one line, its result for the eye."""

from __future__ import annotations

import functools
import inspect
import json as jsonlib
import math
import os
import signal
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, get_type_hints

from triptych.errors import UsageError, UserError, of_system
from triptych.verbs import MODULES, verb

if TYPE_CHECKING:
    import typer


class Stopped(KeyboardInterrupt):
    """Another signal than the terminal's interrupt asks to end: everything is tidied up alike."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def main() -> None:
    """Run the command line; exit status 0 done, 1 failed, 2 wrong usage, 128 + n by signal n."""
    try:
        _listen()
        _open_standard_streams()
        # OpenMP's threads wait by spinning, for long: on a machine that others use too they take
        # the cores from the thread they wait for. Read when torch is loaded, so it comes first.
        os.environ.setdefault("GOMP_SPINCOUNT", "1000")
        # A path on disk may hold bytes, and a caption letters, that the terminal cannot show.
        sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
        status = build()(standalone_mode=False)
        if status == 130:  # an interrupt that typer has met, outside of the verbs
            raise KeyboardInterrupt
    except KeyboardInterrupt as stop:
        _stopped(stop)
    except Exception as error:
        # By its shape: the class moved with typer's versions, from click to a copy within typer.
        if not hasattr(error, "format_message"):
            raise
        _misused(error)
    raise SystemExit(status if isinstance(status, int) else 0)


def _listen() -> None:
    def stop(number: int, _: object) -> None:
        raise Stopped(number)

    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number and signal.getsignal(number) is signal.SIG_DFL:  # nohup's choice stays
            signal.signal(number, stop)


def _open_standard_streams() -> None:
    """Where the caller has closed one, nothing is said: no file opened later may take its place."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115


def _misused(error: Any) -> NoReturn:
    if type(error).__name__ == "NoArgsIsHelpError":
        error.show()
        raise SystemExit(2)
    context = getattr(error, "ctx", None)
    name = context.command_path if context else "triptych"
    _fail(f"{error.format_message().rstrip('.')}; see `{name} --help`", 2)


def build() -> typer.Typer:
    """The command line with all its verbs."""
    from importlib import metadata

    import typer  # here: an interrupt while it loads is met by main()

    app = typer.Typer(
        name="triptych",
        help="Deep clustering of unlabelled, narrated video: encoders, clusters, search.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    for name in MODULES:
        function = verb(name)
        whole = inspect.getdoc(function) or ""  # left to itself, typer would cut it off
        app.command(name, short_help=whole.partition("\n")[0])(command(function))

    def tell(asked: bool) -> None:
        if asked:
            print(f"triptych {metadata.version('triptych')}")
            raise typer.Exit

    told = typer.Option(False, "--version", callback=tell, is_eager=True, help="print it and exit")

    @app.callback()
    def root(version: bool = told) -> None:
        del version  # ``tell`` has answered

    return app


def command(function: Callable[..., dict[str, Any]]) -> Callable[..., None]:
    """The function as a command, with --json."""

    @functools.wraps(function)
    def run(*, json: bool, **values: Any) -> None:
        try:
            result = function(**values)
            _print(function.__name__, result, json)
        except KeyboardInterrupt as stop:
            _stopped(stop)
        except Exception as error:
            if os.environ.get("TRIPTYCH_DEBUG"):
                raise
            _fail(_line(error), 2 if isinstance(error, UsageError) else 1)
        if failed := result.get("failed"):
            _fail(f"failed in part: {'; '.join(failed)}; the same command tries that again", 1)

    import typer

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


def _line(error: Exception) -> str:
    """What went wrong, for a reader who has not seen the code."""
    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, MemoryError) or "can't allocate memory" in str(error):
        return "not enough memory; take a smaller batch, fewer frames or smaller pictures"
    what = f"{type(error).__name__}: {error}".splitlines()[0] + "; this is unexpected"
    if isinstance(error, OSError) and (said := of_system(error)):  # a folder without permission
        if error.filename is not None:
            return said
        what = said
    return f"{what}; TRIPTYCH_DEBUG=1 shows where"


def _stopped(stop: KeyboardInterrupt) -> NoReturn:
    number = stop.number if isinstance(stop, Stopped) else signal.SIGINT
    _fail("stopped; what was finished is kept", 128 + number)


def _fail(line: str, status: int) -> NoReturn:
    print(f"error: {' '.join(line.splitlines())}", file=sys.stderr)
    raise SystemExit(status)


def _print(name: str, result: dict[str, Any], json: bool) -> None:
    try:
        if json:
            print(_json(result))
        else:
            from triptych.verbs.render import render

            render(name, result)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader (head, less) has seen enough; Python would complain again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        _fail(f"standard output: {error.strerror}; what was finished is kept", 1)


def _json(result: dict[str, Any]) -> str:
    """One line of JSON that every reader takes: no NaN, and no letter the terminal cannot show."""
    plain = _finite(result)
    text = jsonlib.dumps(plain, ensure_ascii=False, allow_nan=False)
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        text = jsonlib.dumps(plain, allow_nan=False)
    return text


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(part) for key, part in value.items()}
    return [_finite(part) for part in value] if isinstance(value, list) else value
