"""A process that commits one event, says its id, and is killed before anything could be published: DATABASE_URL."""

import asyncio
import sys

from shared.database.pool import open_pool
from tests.kernel import commit, submitted


async def main(database_url: str) -> None:
    pool = await open_pool(database_url, service="request_api")
    (event,) = await commit(pool, [submitted()])
    print(event.id, flush=True)
    await asyncio.sleep(600)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
