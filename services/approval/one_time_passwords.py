"""One-time passwords by time (TOTP, RFC 6238): six digits, half a minute each, each step used at most once."""

from datetime import datetime
from typing import Annotated, Final

import pyotp
import structlog
from pydantic import AfterValidator, WithJsonSchema

from services.approval import sealing
from services.approval.store import factors
from shared.database.pool import Connection
from shared.settings import Settings

DIGITS: Final = 6
ISSUER: Final = "Lockbox"
STEP_SECONDS: Final = 30
# Clocks differ, and a code is typed while the next one begins (RFC 6238, 5.2): one step before and after counts too.
WINDOW: Final = 1
_PURPOSE: Final = "lockbox one-time passwords"

_log = structlog.get_logger(__name__)


def is_code(text: str) -> bool:
    """Say whether it has a code's form."""
    return text.isascii() and text.isdigit() and len(text) == DIGITS


def _code(text: str) -> str:
    if not is_code(text):
        raise ValueError("must be the six digits that your app shows")
    return text


Code = Annotated[
    str,
    AfterValidator(_code),
    WithJsonSchema({"type": "string", "pattern": "^[0-9]{6}$", "description": "A one-time password."}),
]


def new_secret() -> str:
    """Make a secret of 160 bits (RFC 4226, 4), in base32 as apps take it."""
    return pyotp.random_base32()


def address_of(secret: str, *, email: str, realm: str) -> str:
    """Give what a QR code holds for an app: otpauth://totp/..."""
    return pyotp.TOTP(secret).provisioning_uri(name=f"{email} ({realm})", issuer_name=ISSUER)


def sealed(settings: Settings, factor_id: str, secret: str) -> bytes:
    """Encrypt a secret for storage, bound to its factor."""
    return sealing.seal(settings.internal_secret, _PURPOSE, factor_id, secret)


def opened(settings: Settings, factor_id: str, stored: bytes) -> str | None:
    """Decrypt a stored secret. None, said in the log, where it is another factor's or the internal secret is a new one."""
    try:
        return sealing.unseal(settings.internal_secret, _PURPOSE, factor_id, stored)
    except sealing.Unreadable:
        _log.error("one_time_password_unreadable", factor=factor_id, remedy="remove the member's factors")
        return None


def step_of(secret: str | None, code: str, now: datetime, *, last_step: int | None) -> int | None:
    """Return the time step whose code it is; None for a wrong one, for one that was used or is older, and without a secret."""
    if secret is None:
        return None
    totp = pyotp.TOTP(secret, interval=STEP_SECONDS)
    present = totp.timecode(now)
    steps = range(max(present - WINDOW, 0), present + WINDOW + 1)
    # All of them are compared, each in constant time.
    fitting = [step for step in steps if pyotp.utils.strings_equal(code, totp.generate_otp(step))]
    unused = [step for step in fitting if last_step is None or step > last_step]
    return unused[0] if unused else None


async def use(connection: Connection, settings: Settings, member_id: str, code: str, now: datetime) -> bool:
    """Use up a member's code; False where it is wrong, was used, or he has no one-time password."""
    held = await factors.hold_totp(connection, member_id)
    if held is None:
        return False
    step = step_of(opened(settings, held.id, held.secret), code, now, last_step=held.last_step)
    if step is None:
        return False
    await factors.used_totp(connection, held.id, step=step, now=now)
    return True
