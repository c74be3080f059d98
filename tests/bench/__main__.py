"""`make bench`: each figure beside the raw limit of the same run; a table for people, bench-results.json for programs."""

import asyncio
import json
import os
import platform
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tests import servers
from tests.bench import bench_decisions, bench_ingest, bench_latency, bench_relay, bench_submissions

RESULTS = Path("bench-results.json")


async def measure() -> list[dict[str, Any]]:
    """Run every benchmark, one after the other, on one PostgreSQL and one RabbitMQ."""
    async with servers.any_postgres() as postgres, servers.any_rabbitmq() as rabbitmq:
        rows = [await bench_relay.run(postgres, rabbitmq)]
        rows.append(await bench_ingest.run(postgres.url, rabbitmq.amqp_url, rabbitmq.management_url))
        rows += await bench_submissions.run(postgres, rabbitmq)
        rows.append(await bench_latency.run(postgres, rabbitmq))
        rows += await bench_decisions.run(postgres, rabbitmq)
    return rows


def shown(value: object, *, digits: int = 0) -> str:
    """Write a number for the table; nothing where there is none."""
    return f"{value:,.{digits}f}" if isinstance(value, int | float) else str(value or "")


def main() -> int:
    """Measure, print, and write the results."""
    rows = asyncio.run(measure())
    table = Table("what", "ours", "limit", "ratio", "aim", "the limit is", box=None, header_style="bold")
    for row in rows:
        table.add_row(
            row["name"],
            shown(row["ours"]),
            shown(row["limit"]),
            shown(row["ratio"], digits=2),
            shown(row["aim"], digits=1) if isinstance(row["aim"], float) else shown(row["aim"]),
            row["limit_is"],
        )
    machine = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
    Console(width=None if sys.stdout.isatty() else 160).print(table)
    RESULTS.write_text(
        json.dumps({"at": datetime.now(UTC).isoformat(), "machine": machine, "results": rows}, indent=2) + "\n"
    )
    print(f"{machine}; also in {RESULTS}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
