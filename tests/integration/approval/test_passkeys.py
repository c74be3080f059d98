"""Passkeys: registered for this site and person, and what they sign is one decision, which anybody can check later."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import cbor2
import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from lockbox.assertions import verify_decision
from services.approval import passkeys
from services.approval.domain.refusals import Invalid, Refused
from services.approval.passkeys import GivenCredential, Site
from shared.events.members import FactorAdded
from shared.security import passwords
from tests.authenticator import PRESENT, VERIFIED, Algorithm, Authenticator, b64, cose, new_key, raw
from tests.integration.approval.system import PASSWORD, Approval, refused, types

ORIGIN, RP_ID = "https://lockbox.example:8443", "lockbox.example"
DPO, ADMIN, AUDITOR = "dpo@contoso.example", "admin@contoso.example", "auditor@contoso.example"


@pytest.fixture(autouse=True)
async def site(approval: Approval, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """Give the portal a name, and compare passwords without the cost of Argon2, which is not what these tests are about."""

    def verify(stored: str, password: str) -> bool:
        return password == PASSWORD and stored != passwords._nobodys_hash()

    monkeypatch.setattr(passwords, "_verify", verify)
    parts = approval.app.state.parts
    named = approval.settings.model_copy(update={"portal_url": f"{ORIGIN}/lockbox"})
    approval.app.state.parts = replace(parts, settings=named)
    yield
    approval.app.state.parts = parts


async def options(approval: Approval, email: str) -> dict[str, Any]:
    answer = await approval.done(email, "/v1/me/factors/passkey/options", {"password": PASSWORD})
    found: dict[str, Any] = answer["publicKey"]
    return found


async def add(approval: Approval, email: str, credential: dict[str, Any], **headers: str) -> httpx.Response:
    body = {"name": "My laptop", "credential": credential}
    return await approval.call(email, "POST", "/v1/me/factors/passkey", body, **headers)


async def registered(
    approval: Approval, email: str, algorithm: Algorithm = "ES256", *, count: int | None = 0
) -> Authenticator:
    authenticator = Authenticator(ORIGIN, RP_ID, algorithm, count)
    response = await add(approval, email, authenticator.create(await options(approval, email)))
    assert response.status_code == 201, response.text
    return authenticator


async def to_sign(approval: Approval, email: str, request_id: str, **decision: Any) -> dict[str, Any]:
    return await approval.done(email, f"/v1/requests/{request_id}/challenge", {"decision": "approve"} | decision)


async def approve(approval: Approval, email: str, request_id: str, **body: Any) -> httpx.Response:
    return await approval.call(email, "POST", f"/v1/requests/{request_id}/approve", body)


async def demand(approval: Approval, second_factor: str, tenant: str = "contoso") -> None:
    await approval.pool.execute(
        "UPDATE tenants SET settings = settings || jsonb_build_object('second_factor', $2::text) WHERE tenant = $1",
        tenant,
        second_factor,
    )


@pytest.fixture
async def passkey_demanded(approval: Approval) -> AsyncIterator[None]:
    await demand(approval, "passkey")
    yield
    await demand(approval, "off")


async def event_of(approval: Approval, subject: str, kind: str) -> Any:
    found = [event for event in await approval.published(subject) if types([event]) == [kind]]
    return found[-1]


async def test_a_browser_is_asked_for_a_key_of_this_site_with_the_person_verified(approval: Approval) -> None:
    asked = await options(approval, DPO)
    member = await approval.member(DPO)
    assert (asked["rp"]["id"], asked["attestation"]) == (RP_ID, "none")
    assert raw(asked["user"]["id"]).hex() == member.id.replace("-", "")
    assert asked["user"]["displayName"] == member.name
    selection = asked["authenticatorSelection"]
    assert (selection["residentKey"], selection["userVerification"]) == ("preferred", "required")
    assert [one["alg"] for one in asked["pubKeyCredParams"]] == [-7, -8, -257]
    assert len(raw(asked["challenge"])) == 32
    assert asked["challenge"] != (await options(approval, DPO))["challenge"]


@pytest.mark.parametrize("algorithm", ["ES256", "EdDSA", "RS256"])
async def test_a_registered_passkey_is_told_with_its_public_key_and_site(
    approval: Approval, algorithm: Algorithm
) -> None:
    email = "helpdesk@contoso.example"
    authenticator = await registered(approval, email, algorithm)
    member = await approval.member(email)
    fact: FactorAdded = (await event_of(approval, member.id, "member.factor_added")).data
    assert (fact.kind, fact.name, fact.rp_id, fact.origin) == ("passkey", "My laptop", RP_ID, ORIGIN)
    assert fact.credential_id == b64(authenticator.credential_id)
    assert fact.public_key == b64(cose(authenticator.key))
    asked = await options(approval, email)
    assert b64(authenticator.credential_id) in [one["id"] for one in asked["excludeCredentials"]]
    me = (await approval.call(email, "GET", "/v1/me")).json()
    assert fact.factor_id in [one["id"] for one in me["factors"]]


@pytest.mark.parametrize(
    "wrong",
    [
        {"origin": "https://lockbox.example"},
        {"origin": "https://evil.example"},
        {"rp_id": "evil.example"},
        {"type": "webauthn.get"},
        {"challenge": bytes(32)},
        {"flags": PRESENT},
        {"flags": VERIFIED},
        {"public_key": cbor2.dumps({1: 2, 3: -7})},
        {"public_key": cbor2.dumps({1: 2, 3: -7, -1: 2, -2: bytes(48), -3: bytes(48)})},
        {"public_key": cbor2.dumps({1: 1, 3: -8, -1: 7, -2: bytes(57)})},
        {"public_key": cbor2.dumps({1: 3, 3: -257, -1: b"\xff" * 128, -2: b"\1\0\1"})},
        {"public_key": cbor2.dumps("no key")},
        {"public_key": b""},
    ],
    ids=str,
)
async def test_a_registration_for_another_site_or_of_no_key_is_refused_and_its_challenge_is_used(
    approval: Approval, wrong: dict[str, Any]
) -> None:
    email = "user@contoso.example"
    asked = await options(approval, email)
    authenticator = Authenticator(ORIGIN, RP_ID)
    refused(await add(approval, email, authenticator.create(asked, **wrong)), 422, "wrong_credential", "credential")
    refused(await add(approval, email, authenticator.create(asked)), 422, "registration_expired", "credential")
    assert (await approval.call(email, "GET", "/v1/me")).json()["factors"] == []


async def test_a_challenge_counts_for_five_minutes_once_and_for_one_person(approval: Approval) -> None:
    asked = await options(approval, DPO)
    authenticator = Authenticator(ORIGIN, RP_ID)
    made = authenticator.create(asked)
    refused(await add(approval, ADMIN, made), 422, "registration_expired")
    answers = await asyncio.gather(*(add(approval, DPO, made) for _ in range(3)))
    assert sorted(one.status_code for one in answers) == [201, 422, 422]
    asked = await options(approval, DPO)
    await approval.pool.execute("UPDATE registrations SET expires_at = clock_timestamp()")
    refused(await add(approval, DPO, Authenticator(ORIGIN, RP_ID).create(asked)), 422, "registration_expired")


async def test_a_registration_that_is_sent_again_with_its_key_gets_the_same_answer(approval: Approval) -> None:
    made = Authenticator(ORIGIN, RP_ID).create(await options(approval, ADMIN))
    first, again = [await add(approval, ADMIN, made, idempotency_key="registration-1") for _ in range(2)]
    assert (first.status_code, first.content) == (again.status_code, again.content) == (201, first.content)


async def test_a_credential_that_is_registered_already_is_refused_for_everybody(approval: Approval) -> None:
    authenticator = await registered(approval, DPO)
    for email in (DPO, ADMIN):
        made = authenticator.create(await options(approval, email))
        refused(await add(approval, email, made), 422, "wrong_credential")


async def test_only_who_may_decide_is_told_what_to_sign_and_only_of_what_he_sees(approval: Approval) -> None:
    waiting = await approval.submitted()
    path = "/v1/requests/{}/challenge"
    body = {"decision": "approve"}
    refused(await approval.call(DPO, "POST", path.format(waiting), body), 404, "not_found")
    request_id = await approval.passed_on()
    for nobody in ("dpo@fabrikam.example", "user@contoso.example"):
        refused(await approval.call(nobody, "POST", path.format(request_id), body), 404, "not_found")
    for reader in (AUDITOR, "helpdesk@contoso.example", "max@provider.example", "eve@provider.example"):
        refused(await approval.call(reader, "POST", path.format(request_id), body), 403, "forbidden")
    refused(await approval.call(DPO, "POST", path.format(request_id), {"decision": "maybe"}), 422, "invalid_request")
    longer = body | {"duration": "PT4H"}
    refused(await approval.call(DPO, "POST", path.format(request_id), longer), 422, "widens_request", "duration")
    await approval.done(DPO, f"/v1/requests/{request_id}/deny", {"comment": "No."})
    refused(await approval.call(DPO, "POST", path.format(request_id), body), 409, "already_decided")


@pytest.mark.parametrize("algorithm", ["ES256", "EdDSA"])
async def test_a_signed_decision_can_be_checked_by_anybody_from_two_events_alone(
    approval: Approval, algorithm: Algorithm, passkey_demanded: None
) -> None:
    authenticator = await registered(approval, DPO, algorithm)
    request_id = await approval.passed_on()
    less = {"duration": "PT1H", "resources": [{"id": "exchange-online/mailboxes/alice/inbox", "operations": ["read"]}]}
    words = await to_sign(approval, DPO, request_id, **less)
    assert b64(authenticator.credential_id) in words["credentials"]
    assert (words["rp_id"], words["duration"], words["resources"]) == (RP_ID, less["duration"], less["resources"])
    assert words["statement"].split("\n")[:3] == ["lockbox-decision/v1", words["request_digest"], "approve"]

    refused(await approve(approval, DPO, request_id, **less), 403, "second_factor_required")
    signed = authenticator.get(words["challenge"])
    response = await approve(approval, DPO, request_id, **less, assertion=signed)
    assert response.status_code == 200, response.text

    vote = (await event_of(approval, request_id, "request.vote_cast")).payload
    assert vote["approver"]["method"] == "password+passkey"
    approved = (await event_of(approval, request_id, "request.approved")).payload
    assert approved["assertion"] == vote["assertion"]
    member = await approval.member(DPO)
    added = (await event_of(approval, member.id, "member.factor_added")).payload
    assert verify_decision(added, vote)
    # What was decided cannot be told otherwise afterwards, nor be another's.
    others: list[dict[str, Any]] = [
        {"duration": "PT2H"},
        {"vote": "deny"},
        {"settings_version": 99},
        {"resources": []},
    ]
    for changed in others:
        assert not verify_decision(added, vote | changed)
    other = await registered(approval, DPO, algorithm)
    assert not verify_decision(added | {"public_key": b64(cose(other.key))}, vote)
    used = await approval.pool.fetchrow(
        "SELECT sign_count, last_used_at FROM factors WHERE credential_id = $1", authenticator.credential_id
    )
    assert used is not None
    assert used["sign_count"] == authenticator.count
    assert used["last_used_at"] is not None


async def test_several_approvers_sign_each_his_own_decision_and_each_can_be_checked(
    approval: Approval, passkey_demanded: None
) -> None:
    await approval.pool.execute(
        "UPDATE tenants SET settings = settings || '{\"approvals_required\": 2}' WHERE tenant = 'contoso'"
    )
    request_id = await approval.passed_on()
    await approval.pool.execute(
        "UPDATE tenants SET settings = settings || '{\"approvals_required\": 1}' WHERE tenant = 'contoso'"
    )
    mailbox = "exchange-online/mailboxes/alice"
    decisions: dict[str, dict[str, Any]] = {
        DPO: {"duration": "PT1H"},
        ADMIN: {"resources": [{"id": mailbox, "operations": ["read"]}]},
    }
    keys = {}
    for email, decision in decisions.items():
        authenticator = await registered(approval, email)
        keys[email] = (await event_of(approval, (await approval.member(email)).id, "member.factor_added")).payload
        words = await to_sign(approval, email, request_id, **decision)
        signed = authenticator.get(words["challenge"])
        response = await approve(approval, email, request_id, **decision, assertion=signed)
        assert response.status_code == 200, response.text
    approved = (await event_of(approval, request_id, "request.approved")).payload
    # What is granted is what both leave, which neither of them signed: each signed what stands in his own vote.
    assert (approved["duration"], approved["resources"]) == ("PT1H", [{"id": mailbox, "operations": ["read"]}])
    votes = [one for one in await approval.published(request_id) if types([one]) == ["request.vote_cast"]]
    assert [one.id for one in votes] == approved["votes"]
    for vote, (email, other) in zip(votes, [(DPO, ADMIN), (ADMIN, DPO)], strict=True):
        assert verify_decision(keys[email], vote.payload)
        assert not verify_decision(keys[other], vote.payload)
        assert not verify_decision(keys[email], vote.payload | {"duration": approved["duration"], "resources": []})


@pytest.mark.parametrize(
    "wrong",
    [
        {"origin": "https://evil.example"},
        {"rp_id": "evil.example"},
        {"type": "webauthn.create"},
        {"flags": PRESENT},
        {"flags": VERIFIED},
        {"cross_origin": True},
        {"count": 0},
        {"key": new_key("ES256")},
    ],
    ids=lambda wrong: "another key" if "key" in wrong else str(wrong),
)
async def test_an_assertion_that_is_wrong_is_refused_and_nothing_is_decided(
    approval: Approval, wrong: dict[str, Any]
) -> None:
    authenticator = await registered(approval, ADMIN)
    request_id = await approval.passed_on()
    words = await to_sign(approval, ADMIN, request_id)
    signed = authenticator.get(words["challenge"], **wrong)
    before = await approval.everything()
    # It is verified though the tenant demands none.
    refused(await approve(approval, ADMIN, request_id, assertion=signed), 422, "wrong_assertion", "assertion")
    assert await approval.everything() == before
    assert (await approval.shown(request_id, ADMIN))["state"] == "awaiting_customer"


async def test_an_assertion_over_another_decision_is_refused(approval: Approval) -> None:
    authenticator = await registered(approval, ADMIN)
    request_id, another = await approval.passed_on(), await approval.passed_on()
    words = await to_sign(approval, ADMIN, request_id)

    async def tried(request: str = request_id, **body: Any) -> None:
        body["assertion"] = authenticator.get(words["challenge"])
        refused(await approve(approval, ADMIN, request, **body), 422, "wrong_assertion", "assertion")

    await tried(another)
    await tried(duration="PT1H")
    await tried(resources=[{"id": "exchange-online/mailboxes/alice", "operations": ["read"]}])
    denial = {"comment": "No.", "assertion": authenticator.get(words["challenge"])}
    path = f"/v1/requests/{request_id}/deny"
    refused(await approval.call(ADMIN, "POST", path, denial), 422, "wrong_assertion")
    signed = (await to_sign(approval, ADMIN, request_id, decision="deny"))["challenge"]
    denied = await approval.done(ADMIN, path, {"comment": "No.", "assertion": authenticator.get(signed)})
    assert denied["state"] == "denied"
    vote = (await event_of(approval, request_id, "request.vote_cast")).payload
    added = (await event_of(approval, (await approval.member(ADMIN)).id, "member.factor_added")).payload
    assert verify_decision(added, vote)


async def test_nobody_signs_with_anothers_passkey(approval: Approval) -> None:
    authenticator = await registered(approval, DPO)
    request_id = await approval.passed_on()
    words = await to_sign(approval, ADMIN, request_id)
    signed = authenticator.get(words["challenge"])
    refused(await approve(approval, ADMIN, request_id, assertion=signed), 422, "wrong_assertion", "assertion")


async def test_a_passkey_that_was_removed_signs_nothing_any_more(approval: Approval) -> None:
    email = "dpo@fabrikam.example"
    authenticator = await registered(approval, email)
    (factor,) = (await approval.call(email, "GET", "/v1/me")).json()["factors"]
    request_id = await approval.passed_on(tenant="fabrikam")
    words = await to_sign(approval, email, request_id)
    await approval.done(email, f"/v1/me/factors/{factor['id']}/remove", {"password": PASSWORD})
    signed = authenticator.get(words["challenge"])
    refused(await approve(approval, email, request_id, assertion=signed), 422, "wrong_assertion", "assertion")
    assert (await to_sign(approval, email, request_id))["credentials"] == []


async def test_a_key_without_a_counter_signs_again_and_one_with_a_counter_never_goes_back(approval: Approval) -> None:
    synchronized = await registered(approval, DPO, count=None)
    for _ in range(2):
        request_id = await approval.passed_on()
        words = await to_sign(approval, DPO, request_id)
        assert (await approve(approval, DPO, request_id, assertion=synchronized.get(words["challenge"]))).is_success
    counting = await registered(approval, DPO)
    counting.count = 41
    request_id = await approval.passed_on()
    words = await to_sign(approval, DPO, request_id)
    assert (await approve(approval, DPO, request_id, assertion=counting.get(words["challenge"]))).is_success
    request_id = await approval.passed_on()
    words = await to_sign(approval, DPO, request_id)
    cloned = counting.get(words["challenge"], count=42)
    refused(await approve(approval, DPO, request_id, assertion=cloned), 422, "wrong_assertion")


async def test_settings_that_changed_since_the_challenge_make_it_another_decision(approval: Approval) -> None:
    authenticator = await registered(approval, ADMIN)
    request_id = await approval.passed_on()
    words = await to_sign(approval, ADMIN, request_id)
    await approval.pool.execute("UPDATE tenants SET settings_version = settings_version + 1 WHERE tenant = 'contoso'")
    signed = authenticator.get(words["challenge"])
    refused(await approve(approval, ADMIN, request_id, assertion=signed), 422, "wrong_assertion")
    told = await approve(approval, ADMIN, request_id, assertion=signed, settings_version=words["settings_version"])
    refused(told, 409, "settings_changed")


async def test_a_portal_with_an_address_alone_says_that_passkeys_need_a_name(approval: Approval) -> None:
    parts = approval.app.state.parts
    approval.app.state.parts = replace(parts, settings=approval.settings)
    answer = await approval.call(DPO, "POST", "/v1/me/factors/passkey/options", {"password": PASSWORD})
    assert "LOCKBOX_PORTAL_URL" in refused(answer, 409, "passkeys_need_a_name")["detail"]
    request_id = await approval.passed_on()
    answer = await approval.call(DPO, "POST", f"/v1/requests/{request_id}/challenge", {"decision": "approve"})
    refused(answer, 409, "passkeys_need_a_name")


@pytest.mark.parametrize(
    ("portal", "site"),
    [
        ("https://Lockbox.Example", Site("lockbox.example", "https://lockbox.example")),
        ("https://lockbox.example:443/", Site("lockbox.example", "https://lockbox.example")),
        ("http://localhost:8001/portal", Site("localhost", "http://localhost:8001")),
        ("http://127.0.0.1:8001", None),
        ("http://[::1]:8001", None),
    ],
)
def test_the_site_is_the_portals_host_and_origin(approval: Approval, portal: str, site: Site | None) -> None:
    named = approval.settings.model_copy(update={"portal_url": portal})
    if site is None:
        with pytest.raises(Refused):
            passkeys.site_of(named)
    else:
        assert passkeys.site_of(named) == site


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(some.binary(max_size=200), some.binary(max_size=300))
def test_whatever_bytes_come_as_a_credential_are_refused_in_words(client_data: bytes, attestation: bytes) -> None:
    response = {"clientDataJSON": b64(client_data), "attestationObject": b64(attestation)}
    credential = GivenCredential.model_validate(
        {"id": "AAAA", "rawId": "AAAA", "type": "public-key", "response": response}
    )
    with pytest.raises(Invalid):
        passkeys.registered(Site(RP_ID, ORIGIN), credential, challenge=bytes(32))


async def test_what_is_no_credential_is_named(approval: Approval) -> None:
    sound = Authenticator(ORIGIN, RP_ID).create(await options(approval, DPO))
    cases: list[tuple[dict[str, Any], str]] = [
        ({"id": None}, "credential.id"),
        ({"id": "not base64url!"}, "credential.id"),
        ({"type": "password"}, "credential.type"),
        ({"response": {}}, "credential.response.clientDataJSON"),
    ]
    for wrong, field in cases:
        refused(await add(approval, DPO, sound | wrong), 422, "invalid_request", field)
