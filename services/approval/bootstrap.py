"""The very first operator: `python -m services.approval.bootstrap --email E --name N`, on the server, prints his one-time link.

Whoever may run it holds the database's credential and the internal secret already. Every later person is added by an operator.
"""

import argparse
import asyncio
import sys
from collections.abc import Sequence

from pydantic import TypeAdapter, ValidationError

from services.approval.administering import PROVIDER_LOCK
from services.approval.domain import people
from services.approval.domain.people import Member
from services.approval.invitations import make_link
from services.approval.one_time import link_address
from services.approval.parts import SERVICE
from services.approval.recording import record
from services.approval.store import members
from shared.database.faults import TRANSIENT
from shared.database.pool import Connection, Pool, clock, open_pool, transaction
from shared.events.envelope import PROVIDER, new_id, service_actor
from shared.settings import Settings, load_settings
from shared.web.fields import Email, Name


class NoBootstrap(Exception):
    """There is an operator, so he lets people in; the message says so."""


async def make(pool: Pool, settings: Settings, *, email: str, name: str, again: bool = False) -> str:
    """Make the first operator and return the address of his link.

    `again` makes another link for one who has not set up his account, while no operator has. Raises NoBootstrap.
    """
    async with transaction(pool) as connection:
        await connection.execute("SELECT pg_advisory_xact_lock($1)", PROVIDER_LOCK)
        now = await clock(connection)
        if again:
            link = await make_link(connection, settings, (await _not_set_up(connection, email)).id, now)
        else:
            if await members.holders(connection, PROVIDER, "operator"):
                raise NoBootstrap("the provider has an operator already: he adds the others")
            if await members.with_password(connection, PROVIDER, email) is not None:
                raise NoBootstrap(f"{email} is one of the provider's people already: choose another address")
            operator = Member(id=new_id(), realm=PROVIDER, email=email, name=name, roles=frozenset({"operator"}))
            await members.add(connection, operator, password_hash=None)
            link = await make_link(connection, settings, operator.id, now)
            await record(connection, people.add(operator, by=None), actor=service_actor(SERVICE), now=now)
    return link_address(settings, link)


async def _not_set_up(connection: Connection, email: str) -> Member:
    """Hold the operator of that address, where he and all others have yet to set up their accounts."""
    operators = await members.holders(connection, PROVIDER, "operator")
    if any(one.able for one in operators):
        raise NoBootstrap("an operator has set up his account: he resets the others")
    found = await members.hold_alone(connection, PROVIDER, email)
    if found is None or found.id not in {one.id for one in operators}:
        raise NoBootstrap(f"{email} is no operator")
    return found


def _arguments(given: Sequence[str] | None) -> tuple[str, str, bool]:
    parser = argparse.ArgumentParser(
        prog="bootstrap", description="Make the provider's first operator and print his one-time link."
    )
    parser.add_argument("--email", required=True, help="his e-mail address")
    parser.add_argument("--name", required=True, help="his name, as people know him")
    parser.add_argument(
        "--again", action="store_true", help="another link for him, while no operator has set up an account"
    )
    found = parser.parse_args(given)
    try:
        return (
            TypeAdapter(Email).validate_python(found.email),
            TypeAdapter(Name).validate_python(found.name),
            found.again,
        )
    except ValidationError as error:
        parser.error(error.errors()[0]["msg"].removeprefix("Value error, "))


async def _main(settings: Settings, email: str, name: str, *, again: bool) -> str:
    pool = await open_pool(settings.database_url.get_secret_value(), service=SERVICE, size=1)
    try:
        return await make(pool, settings, email=email, name=name, again=again)
    finally:
        await pool.close()


def main(given: Sequence[str] | None = None) -> None:
    """Print the link on stdout. What forbids it is said in one line, with 1; wrong usage or settings, with 2."""
    email, name, again = _arguments(given)
    settings = load_settings(SERVICE)
    try:
        link = asyncio.run(_main(settings, email, name, again=again))
    except NoBootstrap as error:
        sys.stderr.write(f"bootstrap: {error}\n")
        raise SystemExit(1) from None
    except TRANSIENT as error:
        sys.stderr.write(f"bootstrap: the database does not answer: {error!r}\n")
        raise SystemExit(1) from None
    sys.stdout.write(f"{link}\n")
    sys.stderr.write("Whoever opens this link chooses the operator's password; it can be used once.\n")


if __name__ == "__main__":
    main()
