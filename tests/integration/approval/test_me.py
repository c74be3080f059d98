"""What somebody sees and ends of his own: himself, and where he is signed in."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from services.approval.app import AUDIENCE
from shared.events.envelope import new_id
from shared.events.members import SessionRevoked
from shared.security.keys import LocalJwks
from shared.security.tokens import session_verifier
from tests.integration.approval.system import Approval, refused, types

EMAIL = "dpo@contoso.example"


async def session_of(approval: Approval, token: str) -> str:
    return (await session_verifier(LocalJwks([approval.key]), AUDIENCE).verify(token)).session_id


async def test_one_sees_what_is_demanded_of_one_and_how_one_signed_in(approval: Approval) -> None:
    me = (await approval.call(EMAIL, "GET", "/v1/me")).json()
    assert (me["second_factor"], me["factors"]) == ("off", [])
    assert me["session"].keys() == {"id", "method", "issued_at", "expires_at"}
    assert me["session"]["id"] == await session_of(approval, await approval.token(EMAIL))
    await approval.pool.execute(
        """UPDATE tenants SET settings = settings || '{"second_factor": "passkey"}' WHERE tenant = 'fabrikam'"""
    )
    assert (await approval.call("dpo@fabrikam.example", "GET", "/v1/me")).json()["second_factor"] == "passkey"
    assert (await approval.call("eve@provider.example", "GET", "/v1/me")).json()["second_factor"] == "off"


async def test_ones_sessions_are_listed_newest_first_with_the_present_one_marked(approval: Approval) -> None:
    email = "admin@contoso.example"
    mine, other = await approval.token(email), await approval.new_token(email)
    await approval.new_token(email, lifetime=timedelta(0))
    listed = (await approval.call(email, "GET", "/v1/me/sessions")).json()["items"]
    assert [one["id"] for one in listed] == [await session_of(approval, other), await session_of(approval, mine)]
    assert [one["current"] for one in listed] == [False, True]
    assert listed[0].keys() == {"id", "method", "issued_at", "expires_at", "current"}


async def test_a_session_that_one_ends_elsewhere_counts_nowhere_from_then_on(approval: Approval) -> None:
    email = "helpdesk@contoso.example"
    other = await approval.new_token(email)
    session_id = await session_of(approval, other)
    headers = {"authorization": f"Bearer {other}"}
    assert (await approval.http.get("/v1/me", headers=headers)).status_code == 200
    answers = await asyncio.gather(*(approval.call(email, "DELETE", f"/v1/me/sessions/{session_id}") for _ in range(3)))
    assert sorted(one.status_code for one in answers) == [204, 404, 404]
    refused(await approval.http.get("/v1/me", headers=headers), 401, "token_invalid")
    assert (await approval.call(email, "GET", "/v1/me")).status_code == 200
    event = (await approval.published((await approval.member(email)).id))[-1]
    assert types([event]) == ["member.session_revoked"]
    fact: SessionRevoked = event.data
    assert (fact.session_id, fact.reason, fact.by) == (session_id, "signed_out", fact.member)


async def test_nobody_ends_anothers_session_or_one_that_never_was(approval: Approval) -> None:
    theirs = await session_of(approval, await approval.token(EMAIL))
    admin = "admin@contoso.example"
    for session_id in (theirs, new_id()):
        refused(await approval.call(admin, "DELETE", f"/v1/me/sessions/{session_id}"), 404, "not_found")
    refused(await approval.call(admin, "DELETE", "/v1/me/sessions/not-an-id"), 404, "not_found")
    assert (await approval.call(EMAIL, "GET", "/v1/me")).status_code == 200


async def test_ending_the_present_session_by_its_id_signs_out(approval: Approval) -> None:
    email = "user@contoso.example"
    token = await approval.token(email)
    path = f"/v1/me/sessions/{await session_of(approval, token)}"
    assert (await approval.call(email, "DELETE", path)).status_code == 204
    refused(await approval.call(email, "GET", "/v1/me"), 401, "token_invalid")
