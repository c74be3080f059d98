"""How a command speaks: text for people, JSON for programs, questions only where somebody can answer."""

from __future__ import annotations

import getpass
import json
import sys
from collections.abc import Sequence
from typing import Any, Final, NoReturn

from rich.console import Console
from rich.text import Text

from lockbox.cli.words import clean
from lockbox.client.errors import LockboxError, TooManyAttempts, Unauthorized

FAILED: Final = 1
USAGE: Final = 2
# Wide enough that nothing is cut where no person looks.
_PIPED_WIDTH: Final = 2000
_LEAST_STATUS_OF_FAULTS: Final = 500


class Stop(Exception):
    """The command cannot go on. `exit_code` is 1 for refused or failed, 2 for wrong usage; `code` is for programs."""

    def __init__(self, message: str, exit_code: int = FAILED, *, code: str | None = None) -> None:
        super().__init__(message)
        self.exit_code = exit_code
        self.code = code or ("usage" if exit_code == USAGE else "failed")


def refuse(message: str, code: int = FAILED) -> NoReturn:
    """End the command with one message on stderr; the code is 1 for refused or failed, 2 for wrong usage."""
    raise Stop(message, code)


def console(*, stderr: bool = False) -> Console:
    """Give a console for people; what is printed on it must be clean. Colours only on a terminal."""
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else _PIPED_WIDTH
    return Console(file=stream, width=width, highlight=False, markup=False, emoji=False)


def print_json(value: Any) -> None:
    """Print one JSON value on one line, in ASCII: no terminal and no code page makes anything else of it."""
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def complain(error: Stop | LockboxError, *, as_json: bool, profile: str | None = None) -> None:
    """Say on stderr why it was not done: a line or a few for people, one JSON object for programs."""
    if as_json:
        sys.stderr.write(json.dumps(_as_object(error)) + "\n")
        return
    lines = [f"lockbox: {error}"]
    if isinstance(error, LockboxError):
        lines = [f"lockbox: {error.detail or 'refused'} ({error.code})"]
        lines += [f"  {one.field}: {one.message}" for one in error.errors if len(error.errors) > 1]
        lines += _remedy(error, profile)
        if error.request_id and (error.status or 0) >= _LEAST_STATUS_OF_FAULTS:
            lines.append(f"  in the service's log it is request {error.request_id}")
    err = console(stderr=True)
    for line in lines:
        err.print(Text(clean(line)), soft_wrap=True)


def _remedy(error: LockboxError, profile: str | None) -> list[str]:
    if isinstance(error, Unauthorized) and error.code not in {"invalid_credentials", "code_required", "invalid_client"}:
        return [f"  sign in: lockbox login{f' --profile {profile}' if profile else ''}"]
    if isinstance(error, TooManyAttempts) and error.retry_after is not None:
        return [f"  again in {error.retry_after:.0f} s"]
    return []


def _as_object(error: Stop | LockboxError) -> dict[str, Any]:
    if isinstance(error, Stop):
        return {"code": error.code, "detail": str(error)}
    found: dict[str, Any] = {"code": error.code, "detail": error.detail, "status": error.status}
    if error.errors:
        found["errors"] = [{"field": one.field, "message": one.message} for one in error.errors]
    if error.request_id:
        found["request_id"] = error.request_id
    if error.retry_after is not None:
        found["retry_after"] = error.retry_after
    return error.members | found


def warn(text: str) -> None:
    """Tell a person something beside the result."""
    console(stderr=True).print(Text(clean(text), "yellow"), soft_wrap=True)


def somebody_is_there() -> bool:
    """Say whether there is anybody to ask."""
    return sys.stdin is not None and sys.stdin.isatty()


def ask(question: str, option: str) -> str:
    """Ask for a line. Without a terminal nothing is asked: wrong usage, which names the option to give."""
    if not somebody_is_there():
        refuse(f"{option} is missing (nothing is asked where the input is not a terminal)", USAGE)
    sys.stderr.write(f"{question}: ")
    sys.stderr.flush()
    answer = sys.stdin.readline().strip()
    if not answer:
        refuse("nothing was entered")
    return answer


def confirm(question: str, *, yes: bool) -> None:
    """Ask before something that cannot be taken back; `--yes` answers for scripts."""
    if yes:
        return
    if not somebody_is_there():
        refuse(f"{question} Give --yes (nothing is asked where the input is not a terminal)", USAGE)
    sys.stderr.write(f"{clean(question)} [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        refuse("nothing was done")


def secrets(*questions: str, from_stdin: bool, twice: Sequence[str] = ()) -> list[str]:
    """Take secrets, never from the command's arguments: lines of stdin in this order, or asked for without echo.

    Those named in `twice` are asked for two times, since nobody sees what he types.
    """
    if from_stdin:
        lines = [sys.stdin.readline().rstrip("\r\n") for _ in questions]
        for question, line in zip(questions, lines, strict=True):
            if not line:
                refuse(f"stdin holds no line for: {question}", USAGE)
        return lines
    if not somebody_is_there():
        refuse(
            f"give --password-stdin, and on stdin a line for each of: {', '.join(questions)} "
            "(nothing is asked where the input is not a terminal)",
            USAGE,
        )
    found = []
    for question in questions:
        answer = getpass.getpass(f"{question}: ")
        if question in twice and getpass.getpass(f"{question}, again: ") != answer:
            refuse("the two are not the same")
        if not answer:
            refuse("nothing was entered")
        found.append(answer)
    return found
