"""The pages of members and roles: who sees and does what there, and what happens to the person."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.approval.portal.administration import (
    ADMIN,
    AUDITOR,
    DPO,
    EVE,
    HELPDESK,
    MAX,
    NEW_PASSWORD,
    OTTO,
    USER,
    browser_of,
    mailed_link,
    statuses,
    went,
)
from tests.integration.approval.portal.browsing import Browser, form_to, forms_of, text_of
from tests.integration.approval.system import PASSWORD, Approval

HOSTILE = '<script>alert(1)</script>"\u202egnp.exe'


async def test_everybody_with_a_role_sees_the_people_of_his_own_realm_alone(approval: Approval) -> None:
    assert await statuses(approval, "/members", ADMIN, DPO, HELPDESK, AUDITOR, OTTO, MAX, EVE) == dict.fromkeys(
        (ADMIN, DPO, HELPDESK, AUDITOR, OTTO, MAX, EVE), 200
    )
    assert await statuses(approval, "/members", USER) == {USER: 403}
    seen = text_of(await (await browser_of(approval, DPO)).open("/members"))
    assert "dpo@contoso.example" in seen
    assert "fabrikam" not in seen
    assert "provider.example" not in seen
    for path in ("/members/dpo@contoso.example", "/members/dpo@contoso.example/reset"):
        found = await statuses(approval, path, "admin@fabrikam.example", OTTO, ADMIN)
        assert found == {"admin@fabrikam.example": 404, OTTO: 404, ADMIN: 200}


async def test_who_is_not_signed_in_comes_back_to_the_page_after_signing_in(approval: Approval) -> None:
    browser = Browser(approval)
    away = await browser.get("/members/dpo@contoso.example")
    assert away.status_code == 303
    form = form_to(await browser.open(away.headers["location"]), "/sign-in")
    done = await browser.send(form, realm="contoso", email=DPO, password=PASSWORD)
    assert "dpo@contoso.example" in text_of(await browser.open(went(done, "/members/dpo")))


async def test_the_list_says_who_may_decide_and_is_searched_by_name_and_role(approval: Approval) -> None:
    browser = await browser_of(approval, AUDITOR)
    page = text_of(await browser.open("/members"))
    assert "2 people may approve access to your data" in page
    assert "Keep this group small" in page
    found = text_of(await browser.open("/members?q=HELPDESK"))
    assert "helpdesk@contoso.example" in found
    assert "auditor@contoso.example" not in found
    found = text_of(await browser.open("/members?role=user_admin"))
    assert "helpdesk@contoso.example" in found
    assert "dpo@contoso.example" not in found
    assert "Nobody is found" in text_of(await browser.open("/members?q=%3Cscript%3E"))


async def test_a_large_group_of_those_who_decide_is_advised_against(approval: Approval) -> None:
    admin = "admin@fabrikam.example"
    for number in range(9):
        body = {"email": f"many{number}@fabrikam.example", "name": f"Many {number}", "roles": ["lockbox_approver"]}
        assert (await approval.call(admin, "POST", "/v1/tenants/fabrikam/members", body)).status_code == 201
    page = text_of(await (await browser_of(approval, admin)).open("/members"))
    assert "11 people may approve access to your data" in page
    assert "That is a large group" in page


async def test_what_somebody_may_not_do_is_not_offered_and_the_page_says_who_may(approval: Approval) -> None:
    for who in (DPO, AUDITOR):
        page = await (await browser_of(approval, who)).open("/members/user@contoso.example")
        assert "/give" not in page.text
        assert "/reset" not in page.text
        assert "Roles are given and taken by global administrators alone" in text_of(page)
        assert "Add a member" not in text_of(await (await browser_of(approval, who)).open("/members"))
    helper = await browser_of(approval, HELPDESK)
    page = await helper.open("/members/user@contoso.example")
    assert "/reset" in page.text
    assert "/give" not in page.text
    page = await helper.open("/members/dpo@contoso.example")
    assert "/reset" not in page.text
    assert "only a global administrator can reset the password" in text_of(page)
    admin = await (await browser_of(approval, ADMIN)).open("/members/dpo@contoso.example")
    assert "/reset" in admin.text
    assert "/roles/lockbox_approver/take" in admin.text


async def test_what_is_not_offered_is_refused_all_the_same(approval: Approval) -> None:
    before = await approval.everything()
    helper = await browser_of(approval, HELPDESK)
    form = form_to(await helper.open("/members/user@contoso.example/reset"), "/members/user@contoso.example/reset")
    for path in (
        "/members/dpo@contoso.example/reset",
        "/members/dpo@contoso.example/remove",
        "/members/user@contoso.example/roles/lockbox_approver/give",
    ):
        answer = await helper.send(form, path)
        assert answer.status_code == 403, path
        assert "Your role does not allow this" in text_of(answer)
    assert await approval.everything() == before


async def test_a_member_is_added_gets_a_role_sets_a_password_by_the_link_and_signs_in(approval: Approval) -> None:
    admin, email = await browser_of(approval, ADMIN), "new@contoso.example"
    form = form_to(await admin.open("/members/add"), "/members/add")
    facts: dict[str, Any] = {
        "email": "New@contoso.example",
        "name": "Nele Neu",
        "job_title": "Data Protection Officer",
        "country": "DE",
    }
    page = await admin.http.get(went(await admin.send(form, **facts), f"/members/{email}"))
    assert "A one-time link to set a password is on its way" in text_of(page)
    assert "Germany" in text_of(page)
    assert "no password set yet" in text_of(page)

    act = f"/members/{email}/roles/lockbox_approver/give"
    asked = await admin.open(act)
    assert "the account begins anew" in text_of(asked)
    page = await admin.http.get(went(await admin.send(form_to(asked, act)), f"/members/{email}"))
    assert "The role was given" in text_of(page)

    link = await mailed_link(approval, email)
    hers = Browser(approval)
    done = await hers.send(form_to(await hers.open(link), "/setup"), password=[NEW_PASSWORD, NEW_PASSWORD])
    assert "Your password is set" in text_of(done)
    form = form_to(await hers.open("/sign-in"), "/sign-in")
    went(await hers.send(form, realm="contoso", email=email, password=NEW_PASSWORD), "/")
    assert "Nele Neu" in text_of(await hers.open("/account"))


async def test_bad_input_is_said_at_its_field_and_what_was_typed_stays(approval: Approval) -> None:
    admin = await browser_of(approval, ADMIN)
    form = form_to(await admin.open("/members/add"), "/members/add")
    page = await admin.send(form, email="no address", name="Bert", roles=["auditor"])
    assert page.status_code == 422
    assert 'id="email-error"' in page.text
    again = form_to(page, "/members/add")
    assert (again.value("email"), again.value("name"), again.value("roles")) == ("no address", "Bert", "auditor")
    page = await admin.send(again, email=DPO)
    assert page.status_code == 409
    assert "Somebody with this address is already there" in text_of(page)
    assert form_to(page, "/members/add").value("name") == "Bert"


async def test_a_form_that_is_sent_twice_adds_one_member(approval: Approval) -> None:
    admin = await browser_of(approval, ADMIN)
    form = form_to(await admin.open("/members/add"), "/members/add")
    for _ in range(2):
        went(await admin.send(form, email="twice@contoso.example", name="Twice"), "/members/twice@contoso.example")


async def test_the_mail_goes_out_in_the_language_of_who_adds_the_member(approval: Approval) -> None:
    for language in ("de", "en"):
        admin, email = await browser_of(approval, ADMIN, language=language), f"{language}@contoso.example"
        form = form_to(await admin.open("/members/add"), "/members/add")
        went(await admin.send(form, email=email, name="Somebody"), f"/members/{email}")
        mailed = await approval.pool.fetchval(
            """SELECT x.language FROM mails x JOIN links l ON l.id = x.link_id JOIN members m ON m.id = l.member_id
               WHERE m.email = $1""",
            email,
        )
        assert mailed == language


async def test_a_session_that_ends_in_mid_form_loses_nothing_and_adds_nobody_by_itself(approval: Approval) -> None:
    admin, email = await browser_of(approval, ADMIN), "kept@contoso.example"
    form = form_to(await admin.open("/members/add"), "/members/add")
    admin.http.cookies.clear()
    asked = await admin.send(form, email=email, name="Kept", roles=["auditor", "user_admin"], job_title="Lawyer")
    assert asked.status_code == 401
    shown = await admin.send(form_to(asked, "/sign-in"), realm="contoso", email=ADMIN, password=PASSWORD)
    assert "nothing has been sent yet" in text_of(shown)
    again = form_to(shown, "/members/add")
    assert (again.value("email"), again.value("job_title")) == (email, "Lawyer")
    assert [value for name, value in again.fields if name == "roles"] == ["user_admin", "auditor"]
    assert (await admin.get(f"/members/{email}")).status_code == 404
    went(await admin.send(again), f"/members/{email}")


async def test_a_hostile_name_is_shown_and_does_nothing(approval: Approval) -> None:
    admin, email = await browser_of(approval, ADMIN), "o'hostile+#?{}@contoso.example"
    form = form_to(await admin.open("/members/add"), "/members/add")
    where = went(await admin.send(form, email=email, name=HOSTILE, job_title="<b>x</b>"), "/members/")
    for page in (
        await admin.open(where),
        await admin.open("/members"),
        await admin.open(where.partition("?")[0] + "/remove"),
    ):
        assert "<script>alert" not in page.text
        assert "<b>x" not in page.text
        assert "[U+202E]" in page.text
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page.text
    act = where.partition("?")[0] + "/remove"
    went(await admin.send(form_to(await admin.open(act), act)), "/members?done=removed")
    assert "alert(1)" not in (await admin.open("/members")).text


async def test_a_reset_and_the_removal_of_factors_say_what_happens_before_they_do_it(approval: Approval) -> None:
    helper, email = await browser_of(approval, HELPDESK), "lost@contoso.example"
    form = form_to(await helper.open("/members/add"), "/members/add")
    assert "Roles are given by global administrators alone" in text_of(await helper.open("/members/add"))
    went(await helper.send(form, email=email, name="Lost"), f"/members/{email}")
    first = await mailed_link(approval, email)
    act = f"/members/{email}/reset"
    asked = await helper.open(act)
    assert "Links that were sent before no longer count" in text_of(asked)
    went(await helper.send(form_to(asked, act)), f"/members/{email}?done=reset")
    assert await mailed_link(approval, email) != first
    act = f"/members/{email}/factors"
    asked = await helper.open(act)
    assert "call back on a number that you know" in text_of(asked)
    went(await helper.send(form_to(asked, act)), f"/members/{email}?done=factors")


async def test_the_last_administrator_stays_and_the_page_says_so(approval: Approval) -> None:
    admin = await browser_of(approval, ADMIN)
    act = "/members/admin@contoso.example/roles/global_admin/take"
    asked = await admin.open(act)
    assert "This is your own role" in text_of(asked)
    page = await admin.send(form_to(asked, act))
    assert page.status_code == 409
    assert "The last global administrator stays" in text_of(page)


async def test_the_providers_operator_manages_its_people_on_the_same_pages(approval: Approval) -> None:
    operator = await browser_of(approval, OTTO)
    assert "Who may decide" not in text_of(await operator.open("/members"))
    form = form_to(await operator.open("/members/add"), "/members/add")
    sent = await operator.send(form, email="fay@provider.example", name="Fay", roles=["engineer"])
    page = text_of(await operator.open(went(sent, "/members/fay@provider.example")))
    assert "Asks for access to a customer's data" in page
    engineer = await browser_of(approval, EVE)
    assert "managed by its operators" in text_of(await engineer.open("/members/fay@provider.example"))
    assert "Add a member" not in text_of(await engineer.open("/members"))


@pytest.mark.parametrize(
    "path",
    ["/members/nobody@contoso.example", "/members/%2e%2e/reset", "/members/a%252Fb", "/members/user@contoso.example/fly",
     "/members/user@contoso.example/roles/emperor/give", "/members/user@contoso.example/roles/auditor/sell"],
)  # fmt: skip
async def test_what_does_not_exist_is_not_found(approval: Approval, path: str) -> None:
    admin = await browser_of(approval, ADMIN)
    page = await admin.get(path)
    assert page.status_code == 404
    assert not [form for form in forms_of(page) if form.action.startswith("/members")]
