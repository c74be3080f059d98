"""How somebody comes in without an old password: by a one-time link, or by a recovery code."""

from typing import Annotated, Final

from fastapi import Response
from pydantic import BaseModel, Field, SecretStr, WithJsonSchema

from services.approval import setting_up
from services.approval.callers import SignedIn
from services.approval.deciding import problem_for
from services.approval.domain.refusals import Refused
from services.approval.lockout import LOCKED_OUT
from services.approval.parts import Standing
from services.approval.reauthentication import REAUTHENTICATION, Address
from shared.web.answers import answer
from shared.web.bodies import Router
from shared.web.fields import Body, Email, GivenPassword, NewPassword, Realm
from shared.web.problems import refuses

router = Router(tags=["setup"])

_NOT_KEPT: Final = {"Cache-Control": "no-store"}
Secret = Annotated[
    SecretStr, Field(min_length=1, max_length=256), WithJsonSchema({"type": "string", "minLength": 1, "maxLength": 256})
]


class SetUpBody(Body):
    """`token` is what stands behind `token=` in the link."""

    token: Secret
    password: NewPassword


class SetUpAnswer(BaseModel):
    """`recovery_codes` are a global_admin's, to be printed and kept: they are shown this once."""

    realm: str
    email: str
    recovery_codes: list[str] | None


class Recovery(Body):
    """`code` is one of those shown at the set-up, however its hyphens and letters are typed."""

    realm: Realm
    email: Email
    code: Secret
    password: NewPassword


class Recovered(BaseModel):
    realm: str
    email: str


class Reauthenticated(Body):
    """`password` is left out only by those who sign in through an issuer, right after they did."""

    password: GivenPassword | None = None


class RecoveryCodes(BaseModel):
    recovery_codes: list[str]


@router.post(
    "/v1/setup",
    summary="Set a password by a one-time link",
    response_model=SetUpAnswer,
    responses=refuses({422: "`link_invalid`: used, overtaken, expired or unknown; `invalid_request`"}),
)
async def set_up(body: SetUpBody, parts: Standing) -> Response:
    try:
        done = await setting_up.set_up(parts, body.token.get_secret_value(), body.password.get_secret_value())
    except Refused as refusal:
        raise problem_for(refusal) from None
    content = SetUpAnswer(realm=done.member.realm, email=done.member.email, recovery_codes=done.codes)
    return answer(content, headers=_NOT_KEPT)


@router.post(
    "/v1/recovery",
    summary="Set a password by a recovery code; sessions and second factors end",
    response_model=Recovered,
    responses=LOCKED_OUT
    | refuses({401: "`invalid_credentials`: realm, address or code is wrong, or the code was used"}),
)
async def recover(body: Recovery, parts: Standing, address: Address) -> Response:
    try:
        member = await setting_up.recover(
            parts,
            realm=body.realm,
            email=body.email,
            code=body.code.get_secret_value(),
            password=body.password.get_secret_value(),
            address=address,
        )
    except Refused as refusal:
        raise problem_for(refusal) from None
    return answer(Recovered(realm=member.realm, email=member.email), headers=_NOT_KEPT)


@router.post(
    "/v1/me/recovery-codes",
    summary="Make new recovery codes; the old ones end",
    response_model=RecoveryCodes,
    responses=REAUTHENTICATION | refuses({403: "`forbidden`: they are for global admins; `sign_in_again`"}),
)
async def renew_recovery_codes(body: Reauthenticated, caller: SignedIn, parts: Standing, address: Address) -> Response:
    password = None if body.password is None else body.password.get_secret_value()
    try:
        codes = await setting_up.renew_codes(parts, caller, password, address=address)
    except Refused as refusal:
        raise problem_for(refusal, caller.member) from None
    return answer(RecoveryCodes(recovery_codes=codes), headers=_NOT_KEPT)
