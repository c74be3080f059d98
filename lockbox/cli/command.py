"""What every command has: a profile, an output, a client with the session's token, and one way to end."""

from __future__ import annotations

import inspect
import ssl
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from itertools import islice
from typing import Annotated, Any, Concatenate, Final, ParamSpec, TypeVar

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from lockbox.cli import profiles
from lockbox.cli.profiles import DEFAULT, PROFILE_VARIABLE, Kept, Profile
from lockbox.cli.terminal import USAGE, Stop, console, print_json, refuse, warn
from lockbox.cli.words import clean
from lockbox.client.blocking import Client
from lockbox.client.errors import LockboxError, Unauthorized
from lockbox.client.reading import Thing
from lockbox.client.sending import PROVIDER

P = ParamSpec("P")
Item = TypeVar("Item", bound=Thing)
Cell = str | Text


class Output(StrEnum):
    TEXT = "text"
    JSON = "json"


def _profiles(incomplete: str) -> list[str]:
    try:
        return [name for name in profiles.names() if name.startswith(incomplete)]
    except Stop:
        return []


OutputOption = Annotated[Output, typer.Option(help="`text` for people, `json` for programs.")]
ProfileOption = Annotated[
    str,
    typer.Option(envvar=PROFILE_VARIABLE, autocompletion=_profiles, help="Which of your profiles speaks."),
]
LimitOption = Annotated[int, typer.Option(min=1, max=100_000, help="How many at most.")]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask whether you are sure.")]
TenantOption = Annotated[
    str | None, typer.Option(help="The tenant, or `provider`; without it, the realm in which you are signed in.")
]
StdinOption = Annotated[
    bool,
    typer.Option(
        "--password-stdin", help="Read the secrets from stdin, one a line, in the order in which they are asked."
    ),
]


@dataclass
class Invocation:
    """A command as it was called: who speaks, to whom, and how the result is told."""

    profile_name: str = DEFAULT
    output: Output = Output.TEXT
    closing: ExitStack = field(default_factory=ExitStack)

    @property
    def as_json(self) -> bool:
        return self.output is Output.JSON

    @cached_property
    def profile(self) -> Profile:
        return profiles.load(self.profile_name)

    @cached_property
    def session(self) -> Kept:
        return profiles.session(self.profile_name)

    @cached_property
    def client(self) -> Client:
        """A client with the session's token."""
        return self.anonymous(self.profile, self.session.access_token)

    def anonymous(self, profile: Profile, token: str | None = None) -> Client:
        """Make a client for a profile's addresses, by default with no session."""
        tls = None
        if profile.ca_file is not None:
            try:
                tls = ssl.create_default_context(cafile=profile.ca_file)
            except OSError as error:
                refuse(f"{profile.ca_file} holds no certificates that can be read ({error.strerror or error})")
        return self.closing.enter_context(Client(profile.addresses, token=token, tls=tls))

    def realm(self, named: str | None = None) -> str:
        """Give the realm that a command is about: the one named, or the session's."""
        realm = named or self.session.realm
        if realm is None:
            refuse("name the tenant with --tenant", USAGE)
        return realm

    def tenant(self, named: str | None = None) -> str:
        """Give the tenant that a command is about; the provider's people have to name it."""
        tenant = self.realm(named)
        if tenant == PROVIDER:
            refuse("name the tenant with --tenant", USAGE)
        return tenant

    def tell(self, thing: Thing | Any, text: Callable[[Console], None]) -> None:
        """Tell the result: as it came for programs, in words for people."""
        if self.as_json:
            print_json(thing.raw if isinstance(thing, Thing) else thing)
        else:
            text(console())

    def done(self, said: str, thing: Thing | None = None) -> None:
        """Tell that something without a result of its own was done."""
        self.tell({"done": True} if thing is None else thing, lambda out: out.print(Text(clean(said))))

    def list(
        self,
        items: Iterable[Item],
        limit: int,
        heads: Sequence[str],
        row: Callable[[Item], Sequence[Cell]],
        *,
        nothing: str,
        warnings: Sequence[str] = (),
    ) -> None:
        """Tell a list of things, at most `limit` of them."""
        found = list(islice(items, limit + 1))
        shown, more = found[:limit], len(found) > limit
        if self.as_json:
            said: dict[str, Any] = {"items": [one.raw for one in shown], "more": more}
            print_json(said | ({"warnings": list(warnings)} if warnings else {}))
            return
        if not shown:
            console().print(Text(nothing))
        else:
            print_table(console(), heads, [row(one) for one in shown])
        for warning in warnings:
            warn(warning)
        if more:
            warn(f"there are more than {limit}: --limit shows them")

    def shown_once(self, warning: str) -> None:
        """Warn a person that what was just printed is not shown again."""
        if not self.as_json:
            warn(warning)


def print_table(out: Console, heads: Sequence[str], rows: Sequence[Sequence[Cell]]) -> None:
    """Print a table; a cell that is a Text keeps its style. All cells are cleaned."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for head in heads:
        table.add_column(Text(head), overflow="fold")
    for row in rows:
        table.add_row(*(cell if isinstance(cell, Text) else Text(clean(cell)) for cell in row))
    _print(out, table)


def print_facts(out: Console, facts: Iterable[tuple[str, Cell | None]]) -> None:
    """Print names and values below each other; those that are None are left out. Values may have several lines."""
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in facts:
        if value is not None:
            table.add_row(Text(name), value if isinstance(value, Text) else Text(clean(value, lines=True)))
    _print(out, table)


def _print(out: Console, table: Table) -> None:
    if out.is_terminal:
        out.print(table)
        return
    # Rich fills lines up to the table's edge; in a file or a pipe that is noise.
    with out.capture() as captured:
        out.print(table)
    out.file.write("".join(f"{line.rstrip()}\n" for line in captured.get().splitlines()))


_COMMON: Final = (
    inspect.Parameter("output", inspect.Parameter.KEYWORD_ONLY, default=Output.TEXT, annotation=OutputOption),
    inspect.Parameter("profile", inspect.Parameter.KEYWORD_ONLY, default=DEFAULT, annotation=ProfileOption),
)


def command(
    group: typer.Typer, name: str
) -> Callable[[Callable[Concatenate[Invocation, P], None]], Callable[Concatenate[Invocation, P], None]]:
    """Make a function a command: its parameters are the command's, and `--output` and `--profile` come to them."""

    def decorate(
        function: Callable[Concatenate[Invocation, P], None],
    ) -> Callable[Concatenate[Invocation, P], None]:
        own = list(inspect.signature(function, eval_str=True).parameters.values())[1:]
        parameters = [*own, *_COMMON]

        def run(**given: Any) -> None:
            invocation = Invocation(profiles.checked(given.pop("profile")), given.pop("output"))
            with invocation.closing:
                try:
                    function(invocation, **given)  # type: ignore[call-arg]  # Typer calls by name.
                except Unauthorized as error:
                    # So that the remedy names the profile that was used.
                    error.add_note(invocation.profile_name)
                    raise

        run.__name__ = function.__name__
        run.__doc__ = function.__doc__
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # What inspect reads first.
        run.__annotations__ = {one.name: one.annotation for one in parameters}
        group.command(name)(run)
        return function

    return decorate


def subject(app: typer.Typer, name: str, words: str) -> typer.Typer:
    """Add a group of commands on one subject."""
    group = typer.Typer(help=words, no_args_is_help=True)
    app.add_typer(group, name=name)
    return group


def profile_of(error: LockboxError) -> str | None:
    """Give the profile that an error was met with, where it is not the default one."""
    notes: list[str] = getattr(error, "__notes__", [])
    return notes[0] if notes and notes[0] != DEFAULT else None
