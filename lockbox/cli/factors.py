"""`lockbox session` and `lockbox factor`: where one is signed in, and one's second factors."""

from __future__ import annotations

from typing import Annotated

import typer

from lockbox.cli.command import (
    Invocation,
    StdinOption,
    YesOption,
    command,
    print_facts,
    print_table,
    subject,
)
from lockbox.cli.terminal import USAGE, ask, confirm, console, refuse, secrets, somebody_is_there
from lockbox.cli.words import a_time


def register(app: typer.Typer) -> None:
    """Add the commands."""
    sessions = subject(app, "session", "Where you are signed in.")
    command(sessions, "list")(list_sessions)
    command(sessions, "revoke")(revoke_session)
    factors = subject(app, "factor", "Your second factors.")
    command(factors, "list")(list_factors)
    command(factors, "add-totp")(add_totp)
    command(factors, "remove")(remove_factor)


def list_sessions(invocation: Invocation) -> None:
    """List your sessions."""
    invocation.list(
        invocation.client.account.sessions().items,
        1000,
        ("id", "since", "until", "by", ""),
        lambda one: (
            one.id,
            a_time(one.issued_at),
            a_time(one.expires_at),
            one.method,
            "this one" if one.current else "",
        ),
        nothing="No sessions.",
    )


def revoke_session(
    invocation: Invocation,
    session: Annotated[str, typer.Argument(metavar="SESSION", help="The session's id, as `session list` shows it.")],
) -> None:
    """End one of your sessions at once."""
    invocation.client.account.end_session(session)
    invocation.done("the session has ended")


def list_factors(invocation: Invocation) -> None:
    """List your second factors."""
    me = invocation.client.account.show()
    invocation.list(
        me.factors,
        1000,
        ("id", "kind", "name", "added", "last used"),
        lambda one: (one.id, one.kind, one.name or "", a_time(one.added_at), a_time(one.last_used_at)),
        nothing="No second factors.",
    )


def add_totp(
    invocation: Invocation,
    confirms: Annotated[
        str | None,
        typer.Option("--confirm", metavar="FACTOR", help="Confirm the app that was begun with this id, with --code."),
    ] = None,
    code: Annotated[str | None, typer.Option(help="A code that the app shows; goes with --confirm.")] = None,
    password_stdin: StdinOption = False,
) -> None:
    """Add an authenticator app (TOTP): the secret is shown, and a code of the app confirms it.

    Where nobody can be asked, the first call shows the secret, and a second one with --confirm and --code confirms it.
    """
    account = invocation.client.account
    if (confirms is None) != (code is None):
        refuse("--confirm and --code go together", USAGE)
    if confirms is None or code is None:
        (password,) = secrets("Password", from_stdin=password_stdin)
        new = account.add_totp(password)
        facts = (("factor", new.factor_id), ("secret", new.secret), ("for the app", new.uri))
        invocation.tell(new, lambda out: print_facts(out, facts))
        invocation.shown_once("The secret is shown this once. The app counts after a code of it has confirmed it.")
        if invocation.as_json or not somebody_is_there():
            return
        confirms, code = new.factor_id, ask("Code that the app shows", "--code")
    factor = account.confirm_totp(confirms, code)
    invocation.done("the app is your second factor now", factor)


def remove_factor(
    invocation: Invocation,
    factor: Annotated[str, typer.Argument(metavar="FACTOR", help="The factor's id, as `factor list` shows it.")],
    yes: YesOption = False,
    password_stdin: StdinOption = False,
) -> None:
    """Remove a second factor."""
    confirm(f"Remove the second factor {factor}?", yes=yes or password_stdin)
    (password,) = secrets("Password", from_stdin=password_stdin)
    left = invocation.client.account.remove_factor(factor, password)
    if invocation.as_json:
        invocation.tell(dict(left.raw), lambda _: None)
        return
    invocation.done("the factor was removed")
    if left.items:
        print_table(console(), ("left", "kind", "name"), [(one.id, one.kind, one.name or "") for one in left.items])
