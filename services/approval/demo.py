"""The demonstration's people and tenants: `python -m services.approval.demo` makes what is missing of them, as events."""

import asyncio
import sys
from collections.abc import Sequence

from services.approval.domain import people
from services.approval.domain.people import Member
from services.approval.domain.tenants import Limits, Tenant, change_settings, evolve, register
from services.approval.parts import SERVICE
from services.approval.recording import drafted
from services.approval.store import members, tenants
from shared.database.faults import TRANSIENT
from shared.database.outbox import append
from shared.database.pool import ACQUIRE_SECONDS, Connection, Pool, clock, open_pool, transaction
from shared.demo import TENANTS, DemoPerson, everybody, tenant_people
from shared.events.envelope import Actor, Draft, new_id, service_actor
from shared.events.values import Data
from shared.security.passwords import hash_password, verify_password
from shared.settings import Settings, load_settings
from shared.web.health import Check

# Two set-ups at once take turns.
_LOCK = 7311001
# How the demo's admins switch their lockboxes on: nobody signed in for it.
_METHOD = "setup"


class NoDemo(Exception):
    """These are not a demonstration's data; the message names the remedy."""


async def make(pool: Pool, settings: Settings, password: str) -> int:
    """Make what is missing, all of it or nothing, and return how many events tell of it. Everybody gets the password.

    Raises NoDemo where a tenant exists that is none of the demonstration's.
    """
    async with transaction(pool) as connection:
        await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
        await _refuse_real_ones(connection)
        drafts = await _register(connection, [service.id for service in settings.catalogue])
        drafts += await _add_people(connection, password)
        drafts += await _switch_on(connection, settings)
        await append(connection, SERVICE, drafts, now=await clock(connection))
    return len(drafts)


async def _refuse_real_ones(connection: Connection) -> None:
    known = await tenants.names(connection)
    # What was registered in a demonstration is a part of it.
    for tenant in [] if known >= TENANTS.keys() else sorted(known):
        if tenant not in TENANTS:
            raise NoDemo(f"the tenant {tenant} is no demonstration: begin with an empty database, or without --demo")


async def _register(connection: Connection, services: Sequence[str]) -> list[Draft]:
    facts = []
    missing = TENANTS.keys() - await tenants.names(connection)
    for tenant in sorted(missing):
        registered = register(tenant, TENANTS[tenant], entitled=True, services=services)
        await tenants.add(
            connection,
            Tenant(tenant, registered.name, registered.entitled, registered.settings, registered.settings_version),
        )
        facts.append(registered)
    return await drafted(connection, facts, actor=service_actor(SERVICE))


async def _add_people(connection: Connection, password: str) -> list[Draft]:
    facts: list[Data] = []
    new: list[tuple[str, DemoPerson]] = []
    known: list[tuple[Member, str | None, DemoPerson]] = []
    for realm, person in everybody():
        found = await members.with_password(connection, realm, person.email)
        if found is None:
            new.append((realm, person))
        else:
            known.append((*found, person))
    sound = await asyncio.gather(*(verify_password(stored, password) for _, stored, _ in known))
    for (member, _, person), is_his in zip(known, sound, strict=True):
        if not is_his:
            await members.set_password(connection, member.id, await hash_password(password))
        for role in sorted(set(person.roles) - member.roles):
            await members.give(connection, member.id, role)
            facts.append(people.assign(member, role, by=None))
    hashes = await asyncio.gather(*(hash_password(password) for _ in new))
    for (realm, person), hashed in zip(new, hashes, strict=True):
        member = Member(
            id=new_id(),
            realm=realm,
            email=person.email,
            name=person.name,
            roles=frozenset(person.roles),
            employer=person.employer,
            job_title=person.job_title,
            country=person.country,
        )
        await members.add(connection, member, password_hash=hashed)
        facts += people.add(member, by=None)
    return await drafted(connection, facts, actor=service_actor(SERVICE))


async def _switch_on(connection: Connection, settings: Settings) -> list[Draft]:
    drafts = []
    services = [service.id for service in settings.catalogue]
    for name in TENANTS:
        tenant = await tenants.hold(connection, name, "UPDATE")
        assert tenant is not None, "it was registered above"
        admin = await members.with_password(connection, name, tenant_people(name)[0].email)
        assert admin is not None, "he was added above"
        by = admin[0].decider(_METHOD)
        wanted = tenant.settings.model_copy(update={"enabled": True})
        offered = {*services, *wanted.services}
        limits = Limits(shortest_window=wanted.decision_window, services=offered, deciders=1)
        facts = change_settings(tenant, wanted, version=tenant.version, by=by, limits=limits)
        for fact in facts:
            tenant = evolve(tenant, fact)
        await tenants.put(connection, tenant)
        drafts += await drafted(connection, facts, actor=Actor(by.id, "member"))
    return drafts


def demo_check(pool: Pool) -> Check:
    """Make readiness' look at the demonstration: every person with his roles, and both tenants with the lockbox on.

    Once all of it was there it stays ready: what people then do with their demonstration is theirs.
    """
    seen = False

    async def check() -> str | None:
        nonlocal seen
        if seen:
            return None
        async with pool.acquire(timeout=ACQUIRE_SECONDS) as connection:
            for name in TENANTS:
                tenant = await tenants.find(connection, name)
                if tenant is None or not tenant.settings.enabled:
                    return f"the tenant {name} is not there yet"
            for realm, person in everybody():
                found = await members.with_password(connection, realm, person.email)
                if found is None or not found[0].roles.issuperset(person.roles):
                    return f"{person.email} is not there yet"
        seen = True
        return None

    return check


async def _main(settings: Settings) -> None:
    if settings.demo_password is None:
        raise NoDemo("LOCKBOX_DEMO_PASSWORD is required: everybody of the demonstration gets it")
    pool = await open_pool(settings.database_url.get_secret_value(), service=SERVICE, size=1)
    try:
        await make(pool, settings, settings.demo_password.get_secret_value())
    finally:
        await pool.close()


def main() -> None:
    """Make the demonstration. What forbids it is said in one line, with 1."""
    settings = load_settings(SERVICE)
    try:
        asyncio.run(_main(settings))
    except NoDemo as error:
        sys.stderr.write(f"demo: {error}\n")
        raise SystemExit(1) from None
    except TRANSIENT as error:
        sys.stderr.write(f"demo: the database does not answer: {error!r}\n")
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
