"""Members of a realm over HTTP: its own people add, remove and reset them, each as far as their roles reach."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from shared.events.envelope import new_id
from shared.events.members import MemberAdded, PasswordReset
from tests.integration.approval.system import Approval, refused, types

PATH = "/v1/tenants/contoso/members"
ADMIN, DPO, HELPDESK, AUDITOR, USER = (
    f"{name}@contoso.example" for name in ("admin", "dpo", "helpdesk", "auditor", "user")
)
OTTO = "otto@provider.example"
OUTSIDERS = [
    "admin@fabrikam.example",
    "helpdesk@fabrikam.example",
    "max@provider.example",
    OTTO,
    "ada@provider.example",
    "eve@provider.example",
]


async def added(approval: Approval, email: str, who: str = ADMIN, path: str = PATH, **more: Any) -> dict[str, Any]:
    response = await approval.call(who, "POST", path, {"email": email, "name": "Nina Neu"} | more)
    assert response.status_code == 201, response.text
    member: dict[str, Any] = response.json()
    return member


async def waiting_mails(approval: Approval, email: str) -> list[str]:
    """Give what the mails are about that wait for somebody with a link that is still good."""
    rows = await approval.pool.fetch(
        """SELECT x.about FROM mails x JOIN links l ON l.id = x.link_id JOIN members m ON m.id = l.member_id
           WHERE m.email = $1 AND l.ended_at IS NULL ORDER BY x.made_at""",
        email,
    )
    return [row["about"] for row in rows]


async def test_a_member_is_added_with_what_is_known_of_him_and_gets_a_link(approval: Approval) -> None:
    member = await added(
        approval, "New.One@Contoso.Example", HELPDESK, employer="Contoso", job_title="Clerk", country="de"
    )
    assert member == {
        "id": member["id"],
        "email": "new.one@contoso.example",
        "name": "Nina Neu",
        "roles": [],
        "group_roles": [],
        "employer": "Contoso",
        "job_title": "Clerk",
        "country": "DE",
        "has_password": False,
        "factors": [],
        "warnings": [],
    }
    [event] = await approval.published(member["id"])
    fact: MemberAdded = event.data
    assert (event.tenant, event.actor.type, fact.by and fact.by.email) == ("contoso", "member", HELPDESK)
    assert (fact.member.email, fact.employer, fact.country) == ("new.one@contoso.example", "Contoso", "DE")
    assert await waiting_mails(approval, "new.one@contoso.example") == ["welcome"]
    for asked in ("new.one@contoso.example", "NEW.ONE@contoso.EXAMPLE"):
        response = await approval.call(AUDITOR, "GET", f"{PATH}/{asked}")
        assert (response.status_code, response.json()["id"]) == (200, member["id"])


async def test_an_address_counts_once_however_it_is_written(approval: Approval) -> None:
    await added(approval, "twice@contoso.example")
    body = {"email": "TWICE@contoso.example", "name": "Another"}
    refused(await approval.call(ADMIN, "POST", PATH, body), 409, "member_exists")
    answers = await asyncio.gather(
        *(approval.call(who, "POST", PATH, {"email": "race@contoso.example", "name": who}) for who in (ADMIN, HELPDESK))
    )
    assert sorted(one.status_code for one in answers) == [201, 409]
    # In another tenant it is another person.
    await added(approval, "twice@contoso.example", "admin@fabrikam.example", "/v1/tenants/fabrikam/members")


async def test_an_addition_that_is_sent_again_adds_once(approval: Approval) -> None:
    body = {"email": "again@contoso.example", "name": "Again"}
    first, second = [await approval.call(ADMIN, "POST", PATH, body, idempotency_key="again-1") for _ in range(2)]
    assert first.status_code == 201
    assert first.content == second.content
    assert await waiting_mails(approval, "again@contoso.example") == ["welcome"]


async def test_whoever_is_removed_is_signed_out_and_may_come_back_as_somebody_new(approval: Approval) -> None:
    member = await added(approval, "gone@contoso.example")
    token = await approval.new_token("gone@contoso.example")
    mine = {"authorization": f"Bearer {token}"}
    assert (await approval.http.get("/v1/me", headers=mine)).status_code == 200
    assert (await approval.call(HELPDESK, "DELETE", f"{PATH}/GONE@contoso.example")).status_code == 204
    refused(await approval.http.get("/v1/me", headers=mine), 401, "token_invalid")
    assert types(await approval.published(member["id"])) == [
        "member.added",
        "member.removed",
        "member.session_revoked",
    ]
    refused(await approval.call(HELPDESK, "DELETE", f"{PATH}/gone@contoso.example"), 404, "not_found")
    assert await waiting_mails(approval, "gone@contoso.example") == []
    assert (await added(approval, "gone@contoso.example"))["id"] != member["id"]


async def test_a_reset_ends_password_and_sessions_and_mails_a_link(approval: Approval) -> None:
    member = await added(approval, "reset@contoso.example")
    await approval.pool.execute("UPDATE members SET password_hash = 'x' WHERE id = $1", member["id"])
    tokens = [await approval.new_token("reset@contoso.example") for _ in range(2)]
    response = await approval.call(HELPDESK, "POST", f"{PATH}/reset@contoso.example/password-reset")
    assert (response.status_code, response.json()) == (202, {"sent_to": "reset@contoso.example"})
    for token in tokens:
        assert (await approval.http.get("/v1/me", headers={"authorization": f"Bearer {token}"})).status_code == 401
    events = (await approval.published(member["id"]))[1:]
    assert types(events) == ["member.password_reset", "member.session_revoked", "member.session_revoked"]
    fact: PasswordReset = events[0].data
    assert (fact.reason, fact.by and fact.by.email) == ("reset", HELPDESK)
    # The link of the invitation is overtaken by the newer one.
    assert await waiting_mails(approval, "reset@contoso.example") == ["reset"]
    shown = (await approval.call(ADMIN, "GET", f"{PATH}/reset@contoso.example")).json()
    assert shown["has_password"] is False


async def test_a_reset_that_is_sent_again_mails_one_link(approval: Approval) -> None:
    member = await added(approval, "hasty@contoso.example")
    path = f"{PATH}/hasty@contoso.example/password-reset"
    first, second = [await approval.call(HELPDESK, "POST", path, idempotency_key="reset-1") for _ in range(2)]
    assert (first.status_code, first.content) == (202, second.content)
    assert types(await approval.published(member["id"])) == ["member.added", "member.password_reset"]
    # Without a key each call is one of its own, and the newest link counts.
    answers = await asyncio.gather(*(approval.call(who, "POST", path) for who in (ADMIN, HELPDESK, ADMIN)))
    assert [one.status_code for one in answers] == [202] * 3
    assert await waiting_mails(approval, "hasty@contoso.example") == ["reset"]


async def test_second_factors_are_removed_where_somebody_has_lost_them(approval: Approval) -> None:
    member = await added(approval, "lost-phone@contoso.example")
    factors = [new_id(), new_id()]
    for factor in factors:
        await approval.pool.execute(
            """INSERT INTO factors (id, member_id, kind, added_at, confirmed_at, secret)
               VALUES ($1, $2, 'totp', now(), now(), 'x')""",
            factor,
            member["id"],
        )
    path = f"{PATH}/lost-phone@contoso.example/factors"
    for _ in range(2):
        assert (await approval.call(HELPDESK, "DELETE", path)).status_code == 204
    events = (await approval.published(member["id"]))[1:]
    assert types(events) == ["member.factor_removed"] * 2
    assert [event.data.factor_id for event in events] == sorted(factors)
    shown = (await approval.call(ADMIN, "GET", f"{PATH}/lost-phone@contoso.example")).json()
    assert shown["factors"] == []


@pytest.mark.parametrize("him", [ADMIN, DPO, HELPDESK])
async def test_a_user_admin_cannot_touch_anybody_with_a_privileged_role(approval: Approval, him: str) -> None:
    before = await approval.everything()
    for method, path in (("DELETE", him), ("POST", f"{him}/password-reset"), ("DELETE", f"{him}/factors")):
        refused(await approval.call(HELPDESK, method, f"{PATH}/{path}"), 403, "forbidden")
    assert await approval.everything() == before


@pytest.mark.parametrize("who", [DPO, AUDITOR, USER])
async def test_who_has_no_say_over_members_changes_none(approval: Approval, who: str) -> None:
    before = await approval.everything()
    body = {"email": "x@contoso.example", "name": "X"}
    refused(await approval.call(who, "POST", PATH, body), 403, "forbidden")
    for him in (USER, who, "nobody@contoso.example"):
        for method, path in (("DELETE", him), ("POST", f"{him}/password-reset"), ("DELETE", f"{him}/factors")):
            refused(await approval.call(who, method, f"{PATH}/{path}"), 403, "forbidden")
    assert await approval.everything() == before


@pytest.mark.parametrize("who", OUTSIDERS)
async def test_no_outsider_finds_anything_of_a_tenant(approval: Approval, who: str) -> None:
    before = await approval.everything()
    body = {"email": "x@contoso.example", "name": "X", "roles": ["lockbox_approver"]}
    calls: list[tuple[str, str, Any]] = [
        ("GET", PATH, None),
        ("POST", PATH, body),
        ("GET", f"{PATH}/{USER}", None),
        ("DELETE", f"{PATH}/{USER}", None),
        ("PUT", f"{PATH}/{USER}/roles/lockbox_approver", None),
        ("DELETE", f"{PATH}/{DPO}/roles/lockbox_approver", None),
        ("POST", f"{PATH}/{USER}/password-reset", None),
        ("DELETE", f"{PATH}/{USER}/factors", None),
    ]
    for method, path, sent in calls:
        refused(await approval.call(who, method, path, sent), 404, "not_found")
    assert await approval.everything() == before


async def test_the_list_is_read_by_everybody_with_a_role_in_pages_and_by_search(approval: Approval) -> None:
    path = "/v1/tenants/fabrikam/members"
    readers = [f"{name}@fabrikam.example" for name in ("admin", "dpo", "helpdesk", "auditor")]
    for who in readers:
        listed = (await approval.call(who, "GET", path)).json()
        assert listed["warnings"] == []
        assert {(one["email"], *one["roles"]) for one in listed["items"]} >= {
            ("admin@fabrikam.example", "global_admin"),
            ("dpo@fabrikam.example", "lockbox_approver"),
            ("user@fabrikam.example",),
        }
    refused(await approval.call("user@fabrikam.example", "GET", path), 403, "forbidden")
    seen: list[str] = []
    cursor = ""
    while True:
        page = (await approval.call(readers[0], "GET", f"{path}?limit=2{cursor}")).json()
        seen += [one["email"] for one in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert seen == sorted(seen)
    assert len(set(seen)) == len(seen) >= 5
    for query, found in (
        ("q=DANA", ["dpo@fabrikam.example"]),
        ("q=helpdesk@", ["helpdesk@fabrikam.example"]),
        ("q=%25", []),
        ("role=auditor", ["auditor@fabrikam.example"]),
        ("role=nonsense", []),
    ):
        page = (await approval.call(readers[0], "GET", f"{path}?{query}")).json()
        assert [one["email"] for one in page["items"]] == found, query
    for cursor in ("&cursor=nonsense", "&cursor="):
        refused(await approval.call(readers[0], "GET", f"{path}?limit=2{cursor}"), 422, "invalid_request", "cursor")


async def test_operators_manage_the_providers_people_and_nobody_else_does(approval: Approval) -> None:
    path = "/v1/tenants/provider/members"
    member = await added(approval, "nils@provider.example", OTTO, path, roles=["engineer"], country="SE")
    assert member["roles"] == ["engineer"]
    [first, second] = await approval.published(member["id"])
    assert (first.tenant, first.actor.type) == ("provider", "operator")
    assert second.data.role == "engineer"
    for who in ("max@provider.example", "ada@provider.example", "eve@provider.example"):
        assert (await approval.call(who, "GET", path)).status_code == 200
        refused(await approval.call(who, "POST", path, {"email": "x@provider.example", "name": "X"}), 403, "forbidden")
        refused(await approval.call(who, "DELETE", f"{path}/nils@provider.example"), 403, "forbidden")
    refused(await approval.call(ADMIN, "GET", path), 404, "not_found")
    refused(await approval.call(ADMIN, "DELETE", f"{path}/nils@provider.example"), 404, "not_found")
    assert (await approval.call(OTTO, "DELETE", f"{path}/nils@provider.example")).status_code == 204


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("email", "no address"),
        ("email", "a@b@c"),
        ("email", None),
        ("name", ""),
        ("name", "two\nlines"),
        ("name", "x" * 257),
        ("country", "Germany"),
        ("roles", "auditor"),
        ("roles", ["auditor"] * 11),
        ("password", "somebody-elses-choice"),
    ],
)
async def test_what_nobody_can_be_is_refused_by_its_field(approval: Approval, field: str, value: object) -> None:
    body = {"email": "bad@contoso.example", "name": "Bad"} | {field: value}
    refused(await approval.call(ADMIN, "POST", PATH, body), 422, "invalid_request", field)
