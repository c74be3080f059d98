"""Refusals of a token: the first ones of a minute stand in the log one by one, what is over is counted and summed up."""

from collections import Counter
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Self

from services.request_api.domain.gate import Refused
from services.request_api.store import actions
from services.request_api.store.actions import Refusals
from shared.database.pool import Connection
from shared.security.tokens import Grant

SINGLE_RECORDS_A_MINUTE = 20


class RefusalRecords:
    """Which refusals of a batch stand in the log one by one, and which are only counted."""

    def __init__(self, minute: datetime, now: datetime, recorded: Mapping[str, int]) -> None:
        self._minute = minute
        self._now = now
        self._recorded = Counter(recorded)
        self._singly: Counter[tuple[str, str]] = Counter()
        self._counted: Counter[tuple[str, str]] = Counter()
        self._grants: dict[str, Grant] = {}

    @classmethod
    async def read(cls, connection: Connection, token_ids: Collection[str], now: datetime) -> Self:
        """Read what was recorded in this minute of the tokens that are refused now."""
        minute = now.replace(second=0, microsecond=0)
        recorded = await actions.recorded_refusals(connection, list(token_ids), minute) if token_ids else {}
        return cls(minute, now, recorded)

    def count(self, token_id: str, grant: Grant, refused: Refused) -> bool:
        """Count a refusal; say whether it has a record of its own."""
        self._grants[token_id] = grant
        if self._recorded[token_id] < SINGLE_RECORDS_A_MINUTE:
            self._recorded[token_id] += 1
            self._singly[token_id, refused.code] += 1
            return True
        self._counted[token_id, refused.code] += 1
        return False

    async def write(self, connection: Connection) -> None:
        """Keep the counts."""
        refused = []
        for token_id, code in self._singly.keys() | self._counted.keys():
            grant = self._grants[token_id]
            counted = self._counted[token_id, code]
            refused.append(
                Refusals(
                    token_id=token_id,
                    minute=self._minute,
                    code=code,
                    request_id=grant.request_id,
                    grant_id=grant.grant_id,
                    tenant=grant.tenant,
                    recorded=self._singly[token_id, code],
                    counted=counted,
                    first=self._now if counted else None,
                    last=self._now if counted else None,
                )
            )
        if refused:
            await actions.count_refusals(connection, refused)
