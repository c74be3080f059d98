"""Where a system's services answer, as options of the commands that speak to one before anybody is signed in."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer

from lockbox.cli import profiles
from lockbox.cli.profiles import Profile
from lockbox.cli.terminal import USAGE, refuse
from lockbox.client.addresses import Addresses

UrlOption = Annotated[
    str | None,
    typer.Option(help="The base below which all services are found: BASE/approval, BASE/audit, BASE/request_api."),
]
RequestApiOption = Annotated[str | None, typer.Option(help="The address of request_api, for the provider's people.")]
ApprovalOption = Annotated[str | None, typer.Option(help="The address of approval.")]
AuditOption = Annotated[str | None, typer.Option(help="The address of audit.")]
DataOption = Annotated[
    Path | None, typer.Option(help="The folder of a `lockbox up` on this machine, in place of addresses.")
]
CaOption = Annotated[Path | None, typer.Option(help="Certificates (PEM) to trust in place of the system's.")]
PlainOption = Annotated[
    bool, typer.Option("--plain-http", help="Allow http to another machine: tokens travel unencrypted.")
]


@dataclass(frozen=True)
class Places:
    """The options as they were given."""

    url: str | None
    request_api: str | None
    approval: str | None
    audit: str | None
    data: Path | None
    ca_file: Path | None
    plain_http: bool

    def on(self, profile: Profile) -> Profile:
        """Give a profile with what was given in place of what it has. Raises NotPossible for an address that is none."""
        separate = {"request_api": self.request_api, "approval": self.approval, "audit": self.audit}
        named = {name: value for name, value in separate.items() if value is not None}
        if sum(map(bool, (named, self.url, self.data))) > 1:
            refuse("give --url, or --data, or the services' addresses", USAGE)
        if self.ca_file is not None:
            profile = replace(profile, ca_file=str(self.ca_file.absolute()))
        plain = self.plain_http or (profile.plain_http and not named and not self.url)
        profile = replace(profile, plain_http=plain)
        if self.url is not None:
            base = Addresses.under(self.url, plain_http=plain)
            return profiles.with_addresses(profile, {name: getattr(base, name) for name in separate})
        if self.data is not None:
            return profiles.with_addresses(profile, _running(self.data))
        if named:
            Addresses(**named, plain_http=plain)
            return profiles.with_addresses(profile, named)
        return profile


def _running(data: Path) -> dict[str, str | None]:
    try:
        state = json.loads((data / "state.json").read_text(encoding="utf-8"))
        return {name: str(state[name]) for name in ("request_api", "approval", "audit")}
    except (OSError, KeyError, TypeError, ValueError):
        refuse(f"{data} holds no running system: is it the folder of a `lockbox up`?")
