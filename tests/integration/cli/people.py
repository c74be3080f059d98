"""People who are new to a running system, and come in by the commands."""

from __future__ import annotations

import asyncio
import re
from typing import Any

from tests.integration.cli.commands import Desk
from tests.integration.notifier.catching import Catcher
from tests.system import System

PASSWORD = "a password nobody guesses 7"


def addresses(system: System) -> list[str]:
    services = ("request-api", "approval", "audit")
    return [part for one in services for part in (f"--{one}", system.urls[one.replace("-", "_")])]


async def link_to(mail: Catcher, recipient: str, *, number: int = 1) -> str:
    """Wait for somebody's so-manieth mail with a one-time link."""
    for _ in range(200):
        links: list[str] = [
            found[0] for one in mail.to(recipient) if (found := re.findall(r"https?://\S+token=\S+", one.text))
        ]
        if len(links) >= number:
            return links[number - 1]
        await asyncio.sleep(0.1)
    raise AssertionError(f"{recipient} got {[one.text for one in mail.to(recipient)]}")


async def comes_in(desk: Desk, system: System, mail: Catcher, email: str, *, number: int = 1) -> Any:
    """Have somebody set up his account with the link from his mail, and sign in under the name before the @."""
    name, _, domain = email.partition("@")
    link = await link_to(mail, email, number=number)
    done = await desk.does("setup", "--password-stdin", *addresses(system), profile=name, stdin=f"{link}\n{PASSWORD}\n")
    who = ("--realm", domain.removesuffix(".example"), "--email", email, "--password-stdin")
    await desk.does("login", *who, *addresses(system), profile=name, stdin=f"{PASSWORD}\n")
    return done
