"""`lockbox login`, `logout`, `whoami`, `password change`, `setup`, `recover`: one's own account."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import Annotated
from urllib.parse import parse_qs, urlsplit

import typer
from rich.console import Console

from lockbox.cli import profiles
from lockbox.cli.command import Invocation, StdinOption, command, print_facts, subject
from lockbox.cli.places import (
    ApprovalOption,
    AuditOption,
    CaOption,
    DataOption,
    Places,
    PlainOption,
    RequestApiOption,
    UrlOption,
)
from lockbox.cli.profiles import Profile
from lockbox.cli.terminal import USAGE, ask, refuse, secrets, somebody_is_there
from lockbox.cli.words import a_time
from lockbox.client.blocking import Client
from lockbox.client.errors import Unauthorized
from lockbox.client.sending import realm_of
from lockbox.client.things.people import Me, SignedIn


def register(app: typer.Typer) -> None:
    """Add the commands."""
    command(app, "login")(login)
    command(app, "logout")(logout)
    command(app, "whoami")(whoami)
    command(app, "setup")(setup)
    command(app, "recover")(recover)
    command(subject(app, "password", "Your password."), "change")(change_password)


RealmOption = Annotated[str | None, typer.Option(help="`provider`, or your tenant.")]
EmailOption = Annotated[str | None, typer.Option(help="Your address.")]


def login(
    invocation: Invocation,
    realm: RealmOption = None,
    email: EmailOption = None,
    client: Annotated[
        str | None, typer.Option(help="Sign in as the machine client with this id, by its secret.")
    ] = None,
    code: Annotated[
        str | None, typer.Option(help="The six digits of your authenticator app, where you have one.")
    ] = None,
    password_stdin: StdinOption = False,
    url: UrlOption = None,
    request_api: RequestApiOption = None,
    approval: ApprovalOption = None,
    audit: AuditOption = None,
    data: DataOption = None,
    ca_file: CaOption = None,
    plain_http: PlainOption = False,
) -> None:
    """Sign in. The addresses, realm and email are kept in the profile, the session's token in a file for you alone.

    Without any address: the services of a `lockbox up` on this machine.
    """
    places = Places(url, request_api, approval, audit, data, ca_file, plain_http)
    profile = places.on(invocation.profile)
    if client is not None:
        _login_machine(invocation, profile, client, password_stdin=password_stdin)
        return
    realm = realm or profile.realm or ask("Realm (provider, or your tenant)", "--realm")
    email = email or profile.email or ask("Email", "--email")
    profile = replace(profile, realm=realm, email=email)
    (password,) = secrets("Password", from_stdin=password_stdin)
    session = _signed_in(invocation.anonymous(profile), realm, email, password, code)
    profiles.save(invocation.profile_name, profile)
    _kept(invocation, session, realm, email)


def _signed_in(client: Client, realm: str, email: str, password: str, code: str | None) -> SignedIn:
    try:
        return client.sign_in(realm, email, password, code)
    except Unauthorized as error:
        if error.code != "code_required" or code is not None or not somebody_is_there():
            raise
    return client.sign_in(realm, email, password, ask("Code of your authenticator app", "--code"))


def _login_machine(invocation: Invocation, profile: Profile, client: str, *, password_stdin: bool) -> None:
    (secret,) = secrets("Client secret", from_stdin=password_stdin)
    session = invocation.anonymous(profile).sign_in_as_machine(client, secret)
    profiles.save(invocation.profile_name, profile)
    _kept(invocation, session, None, client)


def _kept(invocation: Invocation, session: SignedIn, realm: str | None, email: str) -> None:
    realm = session.realm or realm or realm_of(session.access_token)
    kept = profiles.keep_session(
        invocation.profile_name, session.access_token, session.expires_in, realm=realm, email=email
    )
    said = {"profile": invocation.profile_name, "realm": realm, "email": email, "roles": list(session.roles)}
    facts = (
        ("signed in", f"{email} ({realm})" if realm else email),
        ("roles", ", ".join(session.roles) or None),
        ("until", a_time(kept.expires_at)),
    )
    invocation.tell(said | {"expires_in": session.expires_in}, lambda out: print_facts(out, facts))


def logout(invocation: Invocation) -> None:
    """Sign out: the session ends everywhere, and its token is removed from this machine."""
    # One that counts nowhere any more is removed all the same; after any other error it stays for another try.
    with suppress(Unauthorized):
        invocation.client.sign_out()
    profiles.forget_session(invocation.profile_name)
    invocation.done("signed out")


def whoami(invocation: Invocation) -> None:
    """Show who is signed in, with the roles of this moment."""
    me = invocation.client.account.show()
    invocation.tell(me, lambda out: _print_me(out, me))


def _print_me(out: Console, me: Me) -> None:
    print_facts(
        out,
        (
            ("name", me.name),
            ("email", me.email),
            ("realm", me.realm),
            ("roles", ", ".join(me.roles) or "none"),
            ("employer", me.employer),
            ("job title", me.job_title),
            ("country", me.country),
            ("second factors", ", ".join(one.name or one.kind for one in me.factors) or None),
            ("session until", a_time(me.session.expires_at) if me.session else None),
        ),
    )


def change_password(invocation: Invocation, password_stdin: StdinOption = False) -> None:
    """Change your password; all your other sessions end."""
    current, new = secrets("Current password", "New password", from_stdin=password_stdin, twice=["New password"])
    me = invocation.client.account.change_password(current, new)
    invocation.done("the password was changed; all other sessions have ended", me)


def setup(
    invocation: Invocation,
    password_stdin: StdinOption = False,
    url: UrlOption = None,
    request_api: RequestApiOption = None,
    approval: ApprovalOption = None,
    audit: AuditOption = None,
    data: DataOption = None,
    ca_file: CaOption = None,
    plain_http: PlainOption = False,
) -> None:
    """Set your password with the one-time link (or its token) from your mail."""
    profile = Places(url, request_api, approval, audit, data, ca_file, plain_http).on(invocation.profile)
    link, password = secrets("One-time link", "New password", from_stdin=password_stdin, twice=["New password"])
    done = invocation.anonymous(profile).account.set_up(_token_of(link), password)
    facts = [("email", done.email), ("realm", done.realm)]
    facts += [("recovery codes", "\n".join(done.recovery_codes))] if done.recovery_codes else []
    invocation.tell(done, lambda out: print_facts(out, facts))
    if done.recovery_codes:
        invocation.shown_once(
            "The recovery codes are shown this once: print them, and keep them where only you get at them."
        )


def _token_of(link: str) -> str:
    """Give the token of a link, or what was given where it is no link."""
    parts = urlsplit(link.strip())
    if not parts.scheme:
        return link.strip()
    token = parse_qs(parts.query).get("token") or parse_qs(parts.fragment).get("token")
    if not token:
        refuse("the link holds no token: take it whole from the mail", USAGE)
    return token[0]


def recover(
    invocation: Invocation,
    realm: RealmOption = None,
    email: EmailOption = None,
    password_stdin: StdinOption = False,
    url: UrlOption = None,
    request_api: RequestApiOption = None,
    approval: ApprovalOption = None,
    audit: AuditOption = None,
    data: DataOption = None,
    ca_file: CaOption = None,
    plain_http: PlainOption = False,
) -> None:
    """Come back with a recovery code: it is used up, your sessions end, your second factors are removed."""
    profile = Places(url, request_api, approval, audit, data, ca_file, plain_http).on(invocation.profile)
    realm = realm or profile.realm or ask("Realm (provider, or your tenant)", "--realm")
    email = email or profile.email or ask("Email", "--email")
    code, new = secrets("Recovery code", "New password", from_stdin=password_stdin, twice=["New password"])
    done = invocation.anonymous(profile).account.recover(realm, email, code, new)
    invocation.done(f"{done.email} has a new password: sign in with it", done)
