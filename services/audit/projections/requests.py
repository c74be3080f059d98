"""The projection `requests`: each request as the log tells its life."""

from services.audit.projections.projector import Projection
from services.audit.store import requests as store
from shared.database.pool import Connection
from shared.events.catalogue import CATALOGUE
from shared.events.envelope import Event
from shared.events.requests import RequestSubmitted
from shared.lifecycle import evolve


async def _apply(connection: Connection, event: Event) -> None:
    if isinstance(event.data, RequestSubmitted) and (event.data.request_id, event.data.tenant) != (
        event.subject,
        event.tenant,
    ):
        # Shown to a tenant, it would speak of another's request.
        raise ValueError("the submission's data names another request or tenant than its envelope")
    state = await store.load(connection, event.tenant, event.subject)
    await store.keep(connection, evolve(state, event), event)


REQUESTS = Projection(
    name="requests",
    tables=("requests",),
    handlers={kind: _apply for kind in CATALOGUE if kind.startswith(("lockbox.request.", "lockbox.access."))},
)
