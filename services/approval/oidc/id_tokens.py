"""The word of an issuer about somebody: an ID token, judged by OpenID Connect Core 1.0, 3.1.3.7, and nothing less."""

import hmac
from collections.abc import Mapping
from typing import Any, Final

from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwa import EdDSAAlgorithm
from joserfc.jws import JWSRegistry

from services.approval.oidc.faults import IssuerFault
from services.approval.oidc.keys import IssuerKeys

SKEW_SECONDS: Final = 60.0
# A token answers a code that is as old as the way to the issuer and back may take.
OLDEST_SECONDS: Final = 600.0
LONGEST_SUBJECT: Final = 255
_LONGEST: Final = 64 * 1024
_LATEST: Final = 253_402_300_799  # The year 9999.


class _Ed25519(EdDSAAlgorithm):
    # RFC 9864 deprecates the name EdDSA because it does not say which curve: the keys are of one, checked where they are read.
    security_warning: str | None = None  # type: ignore[assignment]  # As the class above it has it.


class _Registry(JWSRegistry):
    algorithms = {name: JWSRegistry.algorithms[name] for name in ("RS256", "PS256", "ES256")} | {"EdDSA": _Ed25519()}
    # Issuers put certificates and other things into a header; `crit` is still obeyed.
    max_header_length = 16 * 1024


# One for each algorithm: a token's own word on it never chooses. (Beside a registry, joserfc looks at no list of them.)
_REGISTRIES: Final = {name: _Registry(algorithms=[name], strict_check_header=False) for name in _Registry.algorithms}


def _fault(code: str, detail: str) -> IssuerFault:
    return IssuerFault(code, f"The issuer's word is not accepted: {detail}")


async def judge(
    token: object, keys: IssuerKeys, *, issuer: str, client_id: str, nonce: str, now: float
) -> dict[str, Any]:
    """Give the claims of an ID token that is meant for us, here and now. Raises IssuerFault.

    The algorithm is that of `keys`, by configuration; what the token says of it must be the same.
    """
    if not isinstance(token, str) or not token.isascii() or len(token) > _LONGEST:
        raise _fault("token_malformed", "there is no ID token in it.")
    registry = _REGISTRIES[keys.algorithm]
    try:
        header: Mapping[str, Any] = jws.extract_compact(token.encode(), registry=registry).headers()
    except (JoseError, ValueError, RecursionError):
        raise _fault("token_malformed", "the ID token cannot be read.") from None
    if header.get("alg") != keys.algorithm:
        raise _fault("wrong_algorithm", f"it is not signed with {keys.algorithm}.")
    kid = header.get("kid")
    if kid is not None and not isinstance(kid, str):
        raise _fault("token_malformed", "the ID token cannot be read.")
    candidates = await keys.candidates(kid)
    if not candidates:
        raise _fault("unknown_key", "it is signed with a key that the issuer does not publish.")
    for key in candidates:
        try:
            claims = jwt.decode(token, key, registry=registry).claims
        except (JoseError, ValueError, RecursionError):
            continue
        _check(claims, issuer=issuer, client_id=client_id, nonce=nonce, now=now)
        return claims
    raise _fault("bad_signature", "its signature is wrong.")


def _check(claims: Mapping[str, Any], *, issuer: str, client_id: str, nonce: str, now: float) -> None:
    if claims.get("iss") != issuer:
        raise _fault("wrong_issuer", "it speaks for another issuer.")
    audience = claims.get("aud")
    audiences = audience if isinstance(audience, list) else [audience]
    if client_id not in audiences:
        raise _fault("wrong_audience", "it is meant for another application.")
    # With other audiences beside us, only the party it was issued to may be us.
    if (len(audiences) > 1 or "azp" in claims) and claims.get("azp") != client_id:
        raise _fault("wrong_audience", "it was issued to another application.")
    if now >= _instant(claims, "exp") + SKEW_SECONDS:
        raise _fault("token_expired", "it has expired. Compare the clocks of both sides.")
    issued_at = _instant(claims, "iat")
    if issued_at > now + SKEW_SECONDS or ("nbf" in claims and _instant(claims, "nbf") > now + SKEW_SECONDS):
        raise _fault("token_not_yet_valid", "it is of the future. Compare the clocks of both sides.")
    if issued_at < now - OLDEST_SECONDS - SKEW_SECONDS:
        raise _fault("token_expired", "it is too old. Compare the clocks of both sides.")
    said = claims.get("nonce")
    if not isinstance(said, str) or not hmac.compare_digest(said.encode("utf-8", "replace"), nonce.encode()):
        raise _fault("wrong_nonce", "it answers another sign-in.")
    subject = claims.get("sub")
    # Core 1.0, 2: at most 255 ASCII characters; what cannot be stored is none either.
    if (
        not isinstance(subject, str)
        or not subject.isascii()
        or not 0 < len(subject) <= LONGEST_SUBJECT
        or "\0" in subject
    ):
        raise _fault("subject_missing", "it does not say who you are.")


def _instant(claims: Mapping[str, Any], name: str) -> float:
    value = claims.get(name)
    # A bool is an int to Python; NaN compares as neither before nor after.
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _LATEST:
        raise _fault("token_malformed", f"it has no usable {name}.")
    return float(value)
