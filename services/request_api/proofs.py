"""Asks audit whether an event is in the log: no proof, no access."""

from dataclasses import dataclass

import httpx
import structlog
from pydantic import BaseModel, SecretStr, ValidationError

from shared.security.bearer import internal_headers
from shared.web.problems import Problem, unavailable

# Together the five seconds that a caller waits at most: audit's wait, and what its answer may take beyond it.
WAIT_SECONDS = 4
_MARGIN_SECONDS = 1.0
_RETRY_AFTER_SECONDS = 2

log = structlog.get_logger(__name__)


class _Answer(BaseModel):
    event_id: str
    tenant: str
    origin: str
    leaf_index: int
    size: int


@dataclass(frozen=True, slots=True)
class LogPosition:
    """Where an event stands: the log's name, its index there, and the number of leaves that the log had."""

    origin: str
    index: int
    size: int


class Proofs:
    """Audit's internal read."""

    def __init__(self, client: httpx.AsyncClient, audit_url: str, secret: SecretStr) -> None:
        self._client = client
        self._url = f"{audit_url}/internal/v1/events"
        self._headers = internal_headers(secret)

    async def position(self, event_id: str, tenant: str) -> LogPosition:
        """Give an event's place in its tenant's log, waiting for it up to five seconds.

        Raises Problem 503 `proof_unavailable` when it is not there by then, or audit does not answer.
        """
        try:
            answer = await self._client.get(
                f"{self._url}/{event_id}",
                params={"wait": WAIT_SECONDS},
                headers=self._headers,
                timeout=WAIT_SECONDS + _MARGIN_SECONDS,
            )
        except httpx.HTTPError as error:
            raise _unavailable(type(error).__name__) from None
        if answer.status_code != httpx.codes.OK:
            raise _unavailable(f"status {answer.status_code}")
        try:
            found = _Answer.model_validate_json(answer.content)
        except ValidationError:
            raise _unavailable("an answer that is none") from None
        if (found.event_id, found.tenant) != (event_id, tenant) or not 0 <= found.leaf_index < found.size:
            raise _unavailable("an answer about something else")
        return LogPosition(found.origin, found.leaf_index, found.size)


def _unavailable(cause: str) -> Problem:
    log.warning("proof_unavailable", cause=cause)
    return unavailable(
        "The approval is not in the log yet, so no token is issued. Try again shortly.",
        "proof_unavailable",
        retry_after=_RETRY_AFTER_SECONDS,
    )
