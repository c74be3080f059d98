"""Whether the demo's people and tenants have arrived here."""

from services.request_api.store import people, tenants
from shared.database.pool import Pool
from shared.demo import PROVIDER_PEOPLE, TENANTS
from shared.web.health import Check


def demo_check(pool: Pool) -> Check:
    """Make the check that is well once all of the provider's people have their roles and all tenants have the lockbox on."""

    async def check() -> str | None:
        async with pool.acquire(timeout=2) as connection:
            roles = await people.roles_by_email(connection)
            enabled = await tenants.enabled(connection)
        missing = [person.email for person in PROVIDER_PEOPLE if not roles.get(person.email, set()) >= {*person.roles}]
        missing += sorted(TENANTS.keys() - enabled)
        return f"not here yet: {', '.join(missing)}" if missing else None

    return check
