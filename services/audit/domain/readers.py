"""Who may read which log."""

from collections.abc import Collection
from dataclasses import dataclass

from shared.events.envelope import PROVIDER, Actor

TENANT_READERS = frozenset({"global_admin", "lockbox_approver", "auditor"})
PROVIDER_READERS = frozenset({"auditor"})


CLIENT_SCOPE = "audit:read"


@dataclass(frozen=True, slots=True)
class Reader:
    """Somebody who may read, under one token: a member, or a machine, which has a name and no address."""

    member_id: str
    email: str | None
    realm: str
    token_id: str
    client_name: str | None = None

    @property
    def scope(self) -> str | None:
        """The one log that he sees, or None for all."""
        return None if self.realm == PROVIDER else self.realm

    @property
    def actor(self) -> Actor:
        """Who he is in an event."""
        return Actor(self.member_id, "member" if self.client_name is None else "client")


def may_read(realm: str, roles: Collection[str]) -> bool:
    """Say whether these roles let somebody read: his tenant's log, or as the provider's auditor all of them."""
    return not (PROVIDER_READERS if realm == PROVIDER else TENANT_READERS).isdisjoint(roles)


def logs_to_note(realm: str, answered: Collection[str]) -> list[str]:
    """Return the logs in which a read is noted: the reader's own, and that of each tenant whose entries he was answered with."""
    return sorted({realm, *answered})
