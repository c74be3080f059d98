"""Machines' credentials: made and ended by whoever assigns the realm's roles."""

from typing import ClassVar

from services.approval.administering import Action, Done, Work
from services.approval.domain import membership
from services.approval.one_time import client_digest, new_client_secret
from services.approval.store import clients
from services.approval.store.clients import Client
from shared.events.members import ClientCreated, ClientRevoked
from shared.web.problems import not_found


class CreateClient(Action):
    """A new credential. Its secret is in the answer, once."""

    kind: ClassVar[str] = "client_created"

    id: str
    name: str
    scopes: tuple[str, ...]

    def may(self, work: Work) -> None:
        membership.may_keep_clients(work.by, work.realm)

    async def perform(self, work: Work) -> Done:
        secret = new_client_secret()
        client = Client(self.id, work.realm, self.name, self.scopes, work.now)
        await clients.add(
            work.connection, client, client_digest(work.parts.settings, client_id=client.id, secret=secret)
        )
        work.say(
            ClientCreated(
                realm=work.realm, client_id=client.id, name=client.name, scopes=list(client.scopes), by=work.by.person
            )
        )
        return Done(shown(client) | {"secret": secret}, 201, secret=True)


class RevokeClient(Action):
    """A credential ends, and what was made with it."""

    kind: ClassVar[str] = "client_revoked"

    id: str

    def may(self, work: Work) -> None:
        membership.may_keep_clients(work.by, work.realm)

    async def perform(self, work: Work) -> Done:
        client = await clients.revoke(work.connection, work.realm, self.id, work.now)
        if client is None:
            raise not_found()
        work.say(ClientRevoked(realm=work.realm, client_id=client.id, name=client.name, by=work.by.person))
        return Done(status=204)


def shown(client: Client) -> dict[str, object]:
    """Show a credential as the API does."""
    return {"id": client.id, "name": client.name, "scopes": list(client.scopes), "created_at": client.made_at}
