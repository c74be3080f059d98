"""Whether the demo's people and tenants have arrived."""

from services.notifier import store
from shared import demo
from shared.database.pool import ACQUIRE_SECONDS, Pool


async def missing(pool: Pool) -> str | None:
    """Return what of the demo is not here yet, in words, or None when all is."""
    async with pool.acquire(timeout=ACQUIRE_SECONDS) as connection:
        holders = await store.holders(connection)
        tenants = await store.enabled_tenants(connection)
    people = [
        person.email
        for realm, person in demo.everybody()
        if not set(person.roles) <= holders.get((realm, person.email), frozenset())
        or (realm, person.email) not in holders
    ]
    absent = sorted(demo.TENANTS.keys() - tenants) + people
    return f"not here yet: {', '.join(absent)}" if absent else None
