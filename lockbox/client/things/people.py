"""Sessions, members, machine clients: who may sign in, and how."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from lockbox.client.reading import Thing, hidden


@dataclass(frozen=True, kw_only=True)
class SignedIn(Thing):
    """A session; its token is in no repr. `expires_in` is in seconds."""

    access_token: str = hidden()
    expires_in: int
    realm: str | None = None
    roles: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Session(Thing):
    id: str
    method: str
    issued_at: datetime
    expires_at: datetime
    current: bool = False


@dataclass(frozen=True, kw_only=True)
class Factor(Thing):
    """A second factor; `kind` is `totp` or `passkey`."""

    id: str
    kind: str
    name: str | None = None
    added_at: datetime | None = None
    last_used_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Me(Thing):
    """Whoever is signed in; `second_factor` is what the tenant demands for decisions (off, any, passkey)."""

    id: str
    realm: str
    email: str
    name: str
    roles: tuple[str, ...]
    employer: str | None = None
    job_title: str | None = None
    country: str | None = None
    session: Session | None = None
    factors: tuple[Factor, ...] = ()
    second_factor: str | None = None


@dataclass(frozen=True, kw_only=True)
class NewTotp(Thing):
    """A TOTP secret, shown once: it goes into an authenticator app, whose code confirms it."""

    factor_id: str
    secret: str = hidden()
    uri: str = hidden()


@dataclass(frozen=True, kw_only=True)
class SetUp(Thing):
    """Who set his password; recovery codes, shown once, where there are."""

    realm: str
    email: str
    recovery_codes: tuple[str, ...] | None = hidden()


@dataclass(frozen=True, kw_only=True)
class Recovered(Thing):
    realm: str
    email: str


@dataclass(frozen=True, kw_only=True)
class RecoveryCodes(Thing):
    recovery_codes: tuple[str, ...] = hidden()


@dataclass(frozen=True, kw_only=True)
class Member(Thing):
    """Somebody of a realm. `group_roles` are those of `roles` that come from an issuer."""

    id: str
    email: str
    name: str
    roles: tuple[str, ...] = ()
    employer: str | None = None
    job_title: str | None = None
    country: str | None = None
    has_password: bool | None = None
    factors: tuple[str, ...] = ()
    group_roles: tuple[str, ...] = ()
    added_at: datetime | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class LinkSent(Thing):
    """A one-time link is on its way."""

    sent_to: str


@dataclass(frozen=True, kw_only=True)
class MachineClient(Thing):
    id: str
    name: str
    scopes: tuple[str, ...]
    created_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class NewMachineClient(MachineClient):
    """A machine client with its secret, shown once."""

    secret: str = hidden()
