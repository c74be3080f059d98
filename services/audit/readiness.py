"""What readiness looks at besides database, broker and relay: how near the projections are, and the demo's people."""

from services.audit.store import directory
from services.audit.store import events as events_store
from services.audit.store import projections as store
from shared.database.pool import ACQUIRE_SECONDS, Pool
from shared.demo import TENANTS, everybody
from shared.web.health import Check

# About a second of the fastest ingest. Further behind, roles would be those of long ago.
NEAR = 10_000


def projections_are_near(pool: Pool) -> Check:
    """Check that no projection is far behind the log."""

    async def check() -> str | None:
        async with pool.acquire(timeout=ACQUIRE_SECONDS) as connection:
            end = await events_store.size(connection, None)
            positions = await store.positions(connection)
        far = [
            f"{name} is {end - position} entries behind"
            for name, position in positions.items()
            if end - position > NEAR
        ]
        return "; ".join(sorted(far)) or None

    return check


def demo_is_there(pool: Pool) -> Check:
    """Check that the demo's people have their roles here, and that its tenants' lockboxes are on."""

    async def check() -> str | None:
        wanted = {(realm, person.email, frozenset(person.roles)) for realm, person in everybody()}
        async with pool.acquire(timeout=ACQUIRE_SECONDS) as connection:
            people = await directory.people(connection)
            tenants = await directory.enabled_tenants(connection)
        missing = len(wanted - people) + len(TENANTS.keys() - tenants)
        return f"{missing} of the demo's people and tenants are not here yet" if missing else None

    return check
