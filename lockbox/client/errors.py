"""What goes wrong, as a caller can tell it apart: by kind, and by the service's stable code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class FieldError:
    """One wrong field of what was sent: a dotted path as it was sent, and what is wrong with it."""

    field: str
    message: str


class LockboxError(Exception):
    """Anything that kept a call from being done. Base of all others.

    `code` is stable and for programs, `detail` for people. `status` is None where no answer came; `request_id` finds the call
    in the service's log; `members` are what else the answer held, such as `action_id`.
    """

    default_code = "failed"

    def __init__(
        self,
        detail: str = "",
        *,
        code: str | None = None,
        status: int | None = None,
        errors: tuple[FieldError, ...] = (),
        request_id: str | None = None,
        retry_after: float | None = None,
        members: Mapping[str, Any] | None = None,
    ) -> None:
        self.code = code or self.default_code
        super().__init__(f"{self.code}: {detail}" if detail else self.code)
        self.detail = detail
        self.status = status
        self.errors = errors
        self.request_id = request_id
        self.retry_after = retry_after
        self.members = dict(members or {})


class Unauthorized(LockboxError):
    """401: nobody is signed in, or the token does not count (any more)."""


class Forbidden(LockboxError):
    """403: the caller may see it, and not do it."""


class NotFound(LockboxError):
    """404: it does not exist, or the caller may not see it."""


class Conflict(LockboxError):
    """409: it does not fit how things are now (decided, changed, ended)."""


class Invalid(LockboxError):
    """400, 413, 415 or 422: what was sent is wrong; `errors` names the fields."""


class TooManyAttempts(LockboxError):
    """429: again after `retry_after` seconds."""


class Unavailable(LockboxError):
    """502, 503 or 504: a part does not answer at the moment."""

    default_code = "unavailable"


class Unreachable(Unavailable):
    """No answer came: no connection, or none in time. Whether the call took effect is not known."""

    default_code = "unreachable"


class ServiceFault(LockboxError):
    """Any other 5xx: a fault of the service, in its log under `request_id`."""


class UnexpectedAnswer(LockboxError):
    """An answer that this client does not understand: another program answers at the address, or another version."""

    default_code = "unexpected_answer"


class WaitedTooLong(LockboxError):
    """What was waited for did not come in time. `last` is the thing as it was last seen."""

    default_code = "waited_too_long"

    def __init__(self, detail: str, *, last: Any) -> None:
        super().__init__(detail)
        self.last = last


class NotPossible(LockboxError):
    """The call cannot be made with what this client was given: an address is missing, or a value makes no sense."""

    default_code = "not_possible"


_KINDS: Final[Mapping[int, type[LockboxError]]] = {
    400: Invalid,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    413: Invalid,
    415: Invalid,
    422: Invalid,
    429: TooManyAttempts,
    502: Unavailable,
    503: Unavailable,
    504: Unavailable,
}
_LEAST_SERVER_ERROR: Final = 500


def kind_of(status: int) -> type[LockboxError]:
    """Give the error's class for a status."""
    return _KINDS.get(status) or (ServiceFault if status >= _LEAST_SERVER_ERROR else LockboxError)
