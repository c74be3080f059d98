"""Why something is not decided: a code of the contract, and words for the human who asked."""

from collections.abc import Sequence

Field = tuple[str, str]
"""The field of the command as its sender wrote it, and what is wrong with it."""


class Refused(Exception):
    """The state does not allow the command; nothing happens. `code` is stable, `detail` names the remedy."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(code)
        self.code = code
        self.detail = detail


class Invalid(Refused):
    """The command asks for what cannot be; `errors` names its fields."""

    def __init__(self, *errors: Field, code: str = "invalid_request") -> None:
        super().__init__(code, "; ".join(f"{field} {message}" for field, message in errors))
        self.errors: Sequence[Field] = errors


class Forbidden(Refused):
    """Somebody who may see it may not do it."""

    def __init__(self, detail: str, code: str = "forbidden") -> None:
        super().__init__(code, detail)
