"""Run the demo: exit code 0 when the whole story went as told, 1 with one clear line when it did not."""

import asyncio
import sys
import time

import httpx

from deploy.demo.people import UnexpectedAnswer
from deploy.demo.story import tell
from deploy.demo.system import DidNotStart, running_system
from deploy.demo.telling import console


async def main() -> int:
    """Start a system, tell the story on it, and end it."""
    began = time.monotonic()
    console.print("[bold]Lockbox[/bold]: no access without the customer's decision, nothing off the record.")
    console.print(
        "[dim]Starting PostgreSQL, RabbitMQ, a mail catcher and the five services, for this demo alone.[/dim]"
    )
    try:
        async with running_system() as at:
            console.print(f"[dim]Ready after {time.monotonic() - began:.0f} s.[/dim]")
            await tell(at)
            console.print("\n[dim]Ending the system.[/dim]")
    except (DidNotStart, UnexpectedAnswer, httpx.HTTPError, TimeoutError) as error:
        console.print(f"[red]The demo did not go as told:[/red] {error or type(error).__name__}", markup=True)
        return 1
    console.print(f"[bold green]Done[/bold green] in {time.monotonic() - began:.0f} s; nothing is left running.")
    console.print("Keep a system running and use it yourself: [bold]make up[/bold]. How it works: docs/architecture.md")
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
