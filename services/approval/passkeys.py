"""Passkeys (WebAuthn Level 2): what a browser is asked for, and whether its answer is one.

A registration keeps the public key alone. An assertion is over the challenge of one decision, with the person verified by the
authenticator, so that its bytes prove for good that this key approved.
"""

import base64
import json
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit
from uuid import UUID

import webauthn
from cryptography.exceptions import UnsupportedAlgorithm
from pydantic import AfterValidator, ConfigDict, Field, ValidationError, WithJsonSchema
from webauthn.helpers import bytes_to_base64url, decode_credential_public_key
from webauthn.helpers.cose import COSECRV, COSEAlgorithmIdentifier
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from services.approval.domain.people import Member
from services.approval.domain.refusals import Invalid, Refused
from services.approval.store.factors import Passkey
from shared.events.values import Assertion
from shared.settings import Settings, portal_of
from shared.web.fields import Body

RP_NAME: Final = "Lockbox"
TIMEOUT_MS: Final = 300_000
# More than any credential has, and less than a body.
_LONGEST: Final = 16_384
# ES256, EdDSA (Ed25519) and RS256 (which Windows Hello has): what the offline check knows too.
_ALGORITHMS: Final = [
    COSEAlgorithmIdentifier.ECDSA_SHA_256,
    COSEAlgorithmIdentifier.EDDSA,
    COSEAlgorithmIdentifier.RSASSA_PKCS1_v1_5_SHA_256,
]
_CURVES: Final = {
    COSEAlgorithmIdentifier.ECDSA_SHA_256: COSECRV.P256,
    COSEAlgorithmIdentifier.EDDSA: COSECRV.ED25519,
}
_SHORTEST_RSA: Final = 2048
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
# All that the library makes of bytes that are none of its kind.
_UNREADABLE: Final = (
    WebAuthnException,
    UnsupportedAlgorithm,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    RecursionError,
)


def _base64url(text: str) -> str:
    try:
        base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except ValueError:
        raise ValueError("must be base64url without padding") from None
    return text


Base64Url = Annotated[
    str,
    Field(max_length=_LONGEST),
    AfterValidator(_base64url),
    WithJsonSchema(
        {"type": "string", "maxLength": _LONGEST, "pattern": "^(?:[A-Za-z0-9_-]{4})*(?:[A-Za-z0-9_-]{2,3})?$"}
    ),
]


class _Given(Body):
    # A browser's JSON of a credential, whatever else it has in it.
    model_config = ConfigDict(extra="ignore")


class AssertionResponse(_Given):
    clientDataJSON: Base64Url  # noqa: N815 - WebAuthn's own name.
    authenticatorData: Base64Url  # noqa: N815 - WebAuthn's own name.
    signature: Base64Url
    userHandle: Base64Url | None = None  # noqa: N815 - WebAuthn's own name.


class GivenAssertion(_Given):
    """The PublicKeyCredential of navigator.credentials.get, as JSON."""

    id: Base64Url
    rawId: Base64Url  # noqa: N815 - WebAuthn's own name.
    type: Literal["public-key"]
    response: AssertionResponse


class AttestationResponse(_Given):
    clientDataJSON: Base64Url  # noqa: N815 - WebAuthn's own name.
    attestationObject: Base64Url  # noqa: N815 - WebAuthn's own name.


class GivenCredential(_Given):
    """The PublicKeyCredential of navigator.credentials.create, as JSON."""

    id: Base64Url
    rawId: Base64Url  # noqa: N815 - WebAuthn's own name.
    type: Literal["public-key"]
    response: AttestationResponse


@dataclass(frozen=True, slots=True)
class Site:
    """To what passkeys are bound: the relying party's id, which is the portal's host, and its origin."""

    rp_id: str
    origin: str


@dataclass(frozen=True, slots=True)
class Registered:
    """What a registration leaves: the credential's id, its public key (COSE), and its count of uses."""

    credential_id: bytes
    public_key: bytes
    sign_count: int


def site_of(settings: Settings) -> Site:
    """Give the site of the portal. Raises Refused `passkeys_need_a_name` where that is an IP address (WebAuthn, 5.1.2)."""
    parts = urlsplit(portal_of(settings))
    host = (parts.hostname or "").lower()
    if _is_address(host):
        raise Refused(
            "passkeys_need_a_name",
            "Passkeys are bound to a name, and this portal has an IP address alone: its operator sets LOCKBOX_PORTAL_URL.",
        )
    port = "" if parts.port in (None, _DEFAULT_PORTS.get(parts.scheme)) else f":{parts.port}"
    return Site(rp_id=host, origin=f"{parts.scheme}://{host}{port}")


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return not host
    return True


def creation_options(site: Site, member: Member, *, challenge: bytes, known: list[bytes]) -> dict[str, Any]:
    """Give the options of navigator.credentials.create, as JSON; `known` are the credentials that he has already."""
    options = webauthn.generate_registration_options(
        rp_id=site.rp_id,
        rp_name=RP_NAME,
        user_id=UUID(member.id).bytes,
        user_name=f"{member.email} ({member.realm})",
        user_display_name=member.name,
        challenge=challenge,
        timeout=TIMEOUT_MS,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.PREFERRED, user_verification=UserVerificationRequirement.REQUIRED
        ),
        exclude_credentials=[PublicKeyCredentialDescriptor(id=one) for one in known],
        supported_pub_key_algs=_ALGORITHMS,
    )
    found: dict[str, Any] = json.loads(webauthn.options_to_json(options))
    return found


def registered(site: Site, credential: GivenCredential, *, challenge: bytes) -> Registered:
    """Verify a registration. Raises Invalid `wrong_credential`."""
    try:
        verified = webauthn.verify_registration_response(
            credential=credential.model_dump(exclude_none=True),
            expected_challenge=challenge,
            expected_rp_id=site.rp_id,
            expected_origin=site.origin,
            require_user_verification=True,
            supported_pub_key_algs=_ALGORITHMS,
        )
        sound = _is_sound(verified.credential_public_key)
    except _UNREADABLE:
        sound = False
    if not sound or verified.credential_id != _decoded(credential.rawId):
        raise wrong_credential()
    return Registered(verified.credential_id, verified.credential_public_key, verified.sign_count)


def wrong_credential() -> Invalid:
    """Make the refusal of a registration, whatever is wrong with it."""
    return Invalid(
        ("credential", "is not what this registration asked for: begin again with new options"),
        code="wrong_credential",
    )


def _is_sound(public_key: bytes) -> bool:
    """Say whether it is one of the three kinds of key that anybody can check later."""
    key: Any = decode_credential_public_key(public_key)
    if key.alg == COSEAlgorithmIdentifier.RSASSA_PKCS1_v1_5_SHA_256:
        return int.from_bytes(key.n, "big").bit_length() >= _SHORTEST_RSA
    return bool(key.crv == _CURVES[key.alg])


def asserted(passkey: Passkey, assertion: GivenAssertion, *, challenge: bytes) -> int | None:
    """Verify an assertion over exactly this challenge; return the key's new count of uses, None for a wrong one."""
    try:
        given = json.loads(_decoded(assertion.response.clientDataJSON))
        verified = webauthn.verify_authentication_response(
            credential=assertion.model_dump(exclude_none=True),
            expected_challenge=challenge,
            expected_rp_id=passkey.rp_id,
            expected_origin=passkey.origin,
            credential_public_key=passkey.public_key,
            credential_current_sign_count=passkey.sign_count,
            require_user_verification=True,
        )
    except _UNREADABLE:
        return None
    # Our pages are framed by nobody: what comes from within another site was not seen as we show it.
    if given.get("crossOrigin", False) is not False:
        return None
    return verified.new_sign_count


def read_assertion(given: Any) -> GivenAssertion:
    """Read an assertion as a browser's JSON has it. Raises Invalid `wrong_assertion`."""
    if isinstance(given, GivenAssertion):
        return given
    try:
        return GivenAssertion.model_validate(given)
    except ValidationError:
        raise wrong_assertion() from None


def wrong_assertion() -> Invalid:
    """Make the refusal of an assertion, whatever is wrong with it."""
    return Invalid(
        ("assertion", "is not your passkey's over exactly this decision: ask for a challenge again and sign that"),
        code="wrong_assertion",
    )


def for_the_record(assertion: GivenAssertion) -> Assertion:
    """Give an assertion that was verified as events hold it."""
    response = assertion.response
    parts = (assertion.rawId, response.authenticatorData, response.clientDataJSON, response.signature)
    credential_id, authenticator_data, client_data_json, signature = (
        bytes_to_base64url(_decoded(part)) for part in parts
    )
    return Assertion(
        credential_id=credential_id,
        authenticator_data=authenticator_data,
        client_data_json=client_data_json,
        signature=signature,
    )


def credential_id_of(assertion: GivenAssertion) -> bytes:
    """Give the id of the credential that an assertion says it is by."""
    return _decoded(assertion.rawId)


def _decoded(text: str) -> bytes:
    return webauthn.base64url_to_bytes(text)
