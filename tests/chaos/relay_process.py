"""A process that relays request_api's outbox and nothing else, to be killed: DATABASE_URL AMQP_URL."""

import asyncio
import sys

from shared.database.pool import open_pool
from shared.messaging.broker import make_broker
from shared.messaging.relay import Relay


async def main(database_url: str, amqp_url: str) -> None:
    pool = await open_pool(database_url, service="request_api")
    await Relay(pool, make_broker(amqp_url, service="request_api", purpose="relay"), "request_api").run()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
