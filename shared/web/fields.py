"""The fields of the HTTP interface: what each may hold, how it is read, and how it is written."""

import re
import unicodedata
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final
from urllib.parse import unquote

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    SecretStr,
    WithJsonSchema,
)

TEXT_BYTES: Final = 4096
RESOURCE_BYTES: Final = 256
EMAIL_CHARACTERS: Final = 254
LONGEST_DURATION: Final = timedelta(days=36_500)


class Body(BaseModel):
    """What a caller sends: unknown fields are refused, nothing is converted, nothing of it stands in an error's text.

    Lists are declared as `list[...]`, choices as `Literal[...]`: JSON knows neither tuples nor enumerations.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)


# Durations. ISO 8601-1:2019, 5.5.2: without years and months, whose length varies, and in whole seconds.

_DURATION = re.compile(
    r"P(?:(?P<weeks>[0-9]{1,9})W|(?:(?P<days>[0-9]{1,9})D)?"
    r"(?:T(?=[0-9])(?:(?P<hours>[0-9]{1,9})H)?(?:(?P<minutes>[0-9]{1,9})M)?(?:(?P<seconds>[0-9]{1,9})S)?)?)"
)
_DURATION_FORM = "must be a duration like PT2H, PT1H30M or P14D, in whole seconds, without years and months"


def parse_duration(text: str) -> timedelta:
    """Read an ISO 8601 duration of days (or weeks), hours, minutes and seconds.

    Raises ValueError, in words for its sender, where it has another form, is zero, or is over a hundred years.
    """
    found = _DURATION.fullmatch(text)
    if found is None or text == "P":
        raise ValueError(_DURATION_FORM)
    duration = timedelta(**{unit: int(number) for unit, number in found.groupdict().items() if number is not None})
    if not duration:
        raise ValueError("must be longer than zero, at least PT1S")
    if duration > LONGEST_DURATION:
        raise ValueError(f"must be at most {format_duration(LONGEST_DURATION)}")
    return duration


def format_duration(duration: timedelta) -> str:
    """Write a duration in its one canonical form: days, hours, minutes and seconds, each only where it is not zero.

    P14D, PT2H, PT1H30M, P1DT12H, PT1S; PT0S for none. Raises ValueError for a negative one or one with fractions of a
    second: neither is ever stored.
    """
    if duration < timedelta(0) or duration.microseconds:
        raise ValueError("a duration is written in whole seconds, zero or more")
    hours, rest = divmod(duration.seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    days = f"{duration.days}D" if duration.days else ""
    time = "".join(f"{number}{unit}" for number, unit in ((hours, "H"), (minutes, "M"), (seconds, "S")) if number)
    if not days and not time:
        return "PT0S"
    return f"P{days}" + (f"T{time}" if time else "")


def _duration(value: object) -> timedelta:
    if isinstance(value, timedelta):
        return value
    if not isinstance(value, str):
        raise ValueError(_DURATION_FORM)  # noqa: TRY004 - pydantic reports only a ValueError.
    return parse_duration(value)


Duration = Annotated[
    timedelta,
    BeforeValidator(_duration),
    PlainSerializer(format_duration, return_type=str),
    WithJsonSchema({"type": "string", "format": "duration", "examples": ["PT2H", "PT1H30M", "P14D"]}),
]
"""A timedelta, in JSON an ISO 8601 duration in whole seconds."""


# Instants.

_TIMESTAMP = re.compile(
    r"(?P<date>[0-9]{4}-[0-9]{2}-[0-9]{2})[Tt](?P<time>[0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.(?P<fraction>[0-9]{1,9}))?"
    r"(?P<offset>[Zz]|[+-][0-9]{2}:[0-9]{2})"
)
_TIMESTAMP_FORM = "must be a time with its offset, like 2026-11-24T10:00:00Z or 2026-11-24T11:00:00+01:00"


def parse_timestamp(text: str) -> datetime:
    """Read an RFC 3339 time as a datetime in UTC; digits beyond the microsecond are dropped.

    Raises ValueError, in words for its sender, where the form or the date is wrong, or the offset is missing.
    """
    found = _TIMESTAMP.fullmatch(text)
    if found is None:
        raise ValueError(_TIMESTAMP_FORM)
    fraction = (found["fraction"] or "0")[:6].ljust(6, "0")
    offset = "+00:00" if found["offset"] in "Zz" else found["offset"]
    try:
        return datetime.fromisoformat(f"{found['date']}T{found['time']}.{fraction}{offset}").astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError("must be a time that exists, like 2026-11-24T10:00:00Z") from None


def format_timestamp(instant: datetime) -> str:
    """Write an instant as RFC 3339 in UTC with six digits: 2026-11-24T10:00:00.123456Z.

    Raises ValueError for a datetime without an offset: nobody knows which instant that is.
    """
    if instant.tzinfo is None:
        raise ValueError("an instant needs its offset from UTC")
    return instant.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def _timestamp(value: object) -> datetime:
    if isinstance(value, datetime):
        return value
    if not isinstance(value, str):
        raise ValueError(_TIMESTAMP_FORM)  # noqa: TRY004 - pydantic reports only a ValueError.
    return parse_timestamp(value)


Timestamp = Annotated[
    datetime,
    BeforeValidator(_timestamp),
    PlainSerializer(format_timestamp, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2026-11-24T10:00:00.123456Z"]}),
]
"""A datetime in UTC, in JSON an RFC 3339 time; what comes in must carry its offset."""


# Texts and names.


def within_bytes(limit: int) -> Callable[[str], str]:
    """Make a validator that refuses texts of more than `limit` bytes in UTF-8."""

    def check(text: str) -> str:
        if len(text) > limit or len(text.encode("utf-8", "surrogatepass")) > limit:
            raise ValueError(f"must have at most {limit} bytes in UTF-8")
        return text

    return check


def _said(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be empty: write a text")
    return text


def whole_text(text: str) -> str:
    """Refuse what PostgreSQL cannot store and UTF-8 cannot write: the character NUL and lone surrogates.

    Raises ValueError, in words for its sender.
    """
    if "\0" in text:
        raise ValueError("must not contain the character U+0000: remove it")
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("must not contain half of a surrogate pair: send the whole character")
    return text


Text4K = Annotated[
    str,
    AfterValidator(whole_text),
    AfterValidator(within_bytes(TEXT_BYTES)),
    AfterValidator(_said),
    WithJsonSchema({"type": "string", "minLength": 1, "description": f"At most {TEXT_BYTES} bytes in UTF-8."}),
]
"""A comment, detail, question or answer: not blank, at most 4 KiB in UTF-8."""


def _line(text: str) -> str:
    # What is printable holds none of these; the loop is for the rest.
    if not text.isprintable() and any(unicodedata.category(character) in {"Cc", "Zl", "Zp"} for character in text):
        raise ValueError("must be one line without control characters")
    return text.strip()


Name = Annotated[
    str,
    AfterValidator(whole_text),
    AfterValidator(within_bytes(RESOURCE_BYTES)),
    AfterValidator(_line),
    AfterValidator(_said),
    WithJsonSchema({"type": "string", "minLength": 1, "description": f"One line, at most {RESOURCE_BYTES} bytes."}),
]
"""A person's, tenant's, client's or ticket's name: one line that is not blank, at most 256 bytes in UTF-8."""

_UNSEEN: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_DECODINGS: Final = 4


def _decoded(text: str) -> Iterator[str]:
    """Give the text as it stands and as every further percent-decoding would see it."""
    for _ in range(_DECODINGS):
        yield text
        if "%" not in text:
            return
        decoded = unquote(text)
        if decoded == text:
            return
        text = decoded
    raise ValueError("must not be percent-encoded more than once: write the characters themselves")


_within_resource_bytes = within_bytes(RESOURCE_BYTES)


def parse_resource(text: str) -> str:
    """Check and normalize (NFC) the id of a resource, a path like exchange-online/mailboxes/alice.

    A granted id covers itself and what is below it, so nothing may stand in it that some reader takes for another
    path: no `.` or `..`, no empty segment, no backslash, nothing unseen, and none of these percent-encoded.
    Raises ValueError, in words for its sender.
    """
    whole_text(text)
    if len(text) > RESOURCE_BYTES:
        raise ValueError(f"must have at most {RESOURCE_BYTES} bytes in UTF-8")
    if not text.isascii():
        text = _within_resource_bytes(unicodedata.normalize("NFC", text))
    slashes = text.count("/")
    for form in _decoded(text):
        segments = form.split("/")
        if "" in segments:
            raise ValueError("must be a path without empty segments, like exchange-online/mailboxes/alice")
        if "." in segments or ".." in segments:
            raise ValueError("must not contain the segments . and ..: write the path itself")
        if form.count("/") != slashes:
            raise ValueError("must not contain an encoded slash: a segment has no slash in its name")
        if "\\" in form:
            raise ValueError("must not contain a backslash: segments are separated by /")
        seen = form.isascii() and form.isprintable()
        if not seen and any(unicodedata.category(character) in _UNSEEN for character in form):
            raise ValueError("must not contain control characters or characters that are not seen")
        if any(segment != segment.strip() for segment in segments):
            raise ValueError("must not begin or end a segment with a space")
    return text


ResourceId = Annotated[
    str,
    AfterValidator(parse_resource),
    WithJsonSchema(
        {
            "type": "string",
            "minLength": 1,
            "description": f"A path, at most {RESOURCE_BYTES} bytes in UTF-8.",
            "examples": ["exchange-online/mailboxes/alice"],
        }
    ),
]
"""The id of a resource: a path, normalized, at most 256 bytes in UTF-8."""


def _matching(pattern: str, words: str) -> Callable[[str], str]:
    compiled = re.compile(pattern)

    def check(text: str) -> str:
        if compiled.fullmatch(text) is None:
            raise ValueError(words)
        return text

    return check


_OPERATION = r"[a-z][a-z0-9_-]{0,63}"
Operation = Annotated[
    str,
    AfterValidator(_matching(_OPERATION, "must be an operation like read, write, delete or admin, in lower case")),
    WithJsonSchema({"type": "string", "pattern": f"^{_OPERATION}$", "examples": ["read"]}),
]
"""What is done with a resource: read, write, delete, admin, or a service's own."""

PROVIDER: Final = "provider"
_TENANT = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_TENANT_FORM = "must be like contoso: lower-case letters, digits and inner hyphens, at most 63"


def _tenant(text: str) -> str:
    if text == PROVIDER:
        raise ValueError("must be a tenant: provider is the provider's own realm")
    return text


_TENANT_SCHEMA: dict[str, Any] = {"type": "string", "pattern": f"^{_TENANT}$", "examples": ["contoso"]}
Realm = Annotated[str, AfterValidator(_matching(_TENANT, _TENANT_FORM)), WithJsonSchema(_TENANT_SCHEMA)]
"""`provider`, or the id of a tenant."""
TenantId = Annotated[Realm, AfterValidator(_tenant), WithJsonSchema(_TENANT_SCHEMA)]
"""The id of a tenant, which is never `provider`."""

_ATOM = r"[a-z0-9!#$&'*+=?^_`{|}~-]+"
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_EMAIL = re.compile(rf"(?=.{{1,64}}@){_ATOM}(?:\.{_ATOM})*@{_LABEL}(?:\.{_LABEL})*")


def parse_email(text: str) -> str:
    """Check an e-mail address and give it in lower case, the form in which addresses are stored and compared.

    ASCII only, without `/` and `%`, since it also stands in addresses. Raises ValueError, in words for its sender.
    """
    lowered = text.lower()
    # Some letters outside ASCII have an ASCII one as their lower case: the Kelvin sign is no k.
    if not text.isascii() or len(lowered) > EMAIL_CHARACTERS or _EMAIL.fullmatch(lowered) is None:
        raise ValueError(f"must be an e-mail address like dpo@contoso.example, at most {EMAIL_CHARACTERS} characters")
    return lowered


Email = Annotated[
    str,
    AfterValidator(parse_email),
    WithJsonSchema({"type": "string", "format": "email", "maxLength": EMAIL_CHARACTERS}),
]
"""An e-mail address in lower case."""

# RFC 9562, 5.7: version 7, variant 10.
_UUID7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


def parse_id(text: str) -> str:
    """Check an id, a UUID of version 7, and give it in lower case. Raises ValueError, in words for its sender."""
    lowered = text.lower()
    if not text.isascii() or _UUID7.fullmatch(lowered) is None:
        raise ValueError("must be an id as this service gave it, like 0193f2a0-0000-7000-8000-000000000000")
    return lowered


EventId = Annotated[str, AfterValidator(parse_id), WithJsonSchema({"type": "string", "format": "uuid"})]
"""The id of a request, grant, action, member, client or event: a UUIDv7, as text in lower case."""

NewPassword = Annotated[
    SecretStr,
    Field(min_length=12, max_length=256),
    WithJsonSchema({"type": "string", "format": "password", "minLength": 12, "maxLength": 256}),
]
"""A password that is being set: 12 to 256 characters, of any kind (NIST SP 800-63B, 5.1.1.2)."""

GivenPassword = Annotated[
    SecretStr,
    Field(min_length=1, max_length=256),
    WithJsonSchema({"type": "string", "format": "password", "minLength": 1, "maxLength": 256}),
]
"""A password with which somebody signs in; the rules for new ones may have changed since it was set."""
