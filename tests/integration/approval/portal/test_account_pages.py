"""The page of one's own account: password, second factors, sessions, recovery codes; secrets are shown once."""

from __future__ import annotations

import re
import time

import pyotp

from tests.integration.approval.portal.administration import (
    ADMIN,
    AUDITOR,
    DPO,
    EVE,
    HELPDESK,
    NEW_PASSWORD,
    OTTO,
    USER,
    browser_of,
    statuses,
    went,
)
from tests.integration.approval.portal.browsing import Browser, form_to, text_of
from tests.integration.approval.system import PASSWORD, Approval


async def test_everybody_has_an_account_also_without_a_role(approval: Approval) -> None:
    people = (ADMIN, DPO, HELPDESK, AUDITOR, USER, OTTO, EVE)
    assert set((await statuses(approval, "/account", *people)).values()) == {200}
    assert "You hold no role" in text_of(await (await browser_of(approval, USER)).open("/account"))
    page = text_of(await (await browser_of(approval, DPO)).open("/account"))
    assert "Lockbox approver Decides on requests and changes the settings." in page
    assert "Recovery codes" not in page
    assert "Recovery codes" in text_of(await (await browser_of(approval, ADMIN)).open("/account"))


async def test_one_time_codes_are_registered_by_picture_or_text_and_asked_for_at_the_next_sign_in(
    approval: Approval,
) -> None:
    browser = await browser_of(approval, DPO)
    form = form_to(await browser.open("/account/totp"), "/account/totp")
    wrong = await browser.send(form, password="not my password")
    assert wrong.status_code == 422
    assert "This is not your password" in text_of(wrong)
    page = await browser.send(form, password=PASSWORD)
    assert page.status_code == 200
    assert page.headers["cache-control"] == "no-store"
    assert 'src="data:image/svg+xml,' in page.text
    secret = re.search(r'<p class="code secret">([A-Z2-7 ]+)</p>', page.text)
    assert secret is not None
    plain = secret[1].replace(" ", "")
    code = pyotp.TOTP(plain).now()
    confirm = form_to(page, "/account/totp/confirm")
    assert plain not in str(confirm.fields)
    wrong = await browser.send(confirm, code=str((int(code) + 1) % 1_000_000).zfill(6))
    assert wrong.status_code == 422
    assert plain not in wrong.text.replace(" ", "")
    assert "The secret was shown once" in text_of(wrong)
    went(await browser.send(form_to(wrong, "/account/totp/confirm"), code=f"{code[:3]} {code[3:]}"), "/account")
    page = await browser.open("/account")
    assert "One-time codes of an app" in text_of(page)
    assert plain not in page.text

    other = Browser(approval)
    form = form_to(await other.open("/sign-in"), "/sign-in")
    asked = await other.send(form, realm="contoso", email=DPO, password=PASSWORD)
    assert "One-time code" in text_of(asked)
    assert PASSWORD not in asked.text
    # The code that confirmed it is used up; the next one counts already.
    form = form_to(asked, "/sign-in")
    assert (await other.send(form, code=code)).status_code == 401
    went(await other.send(form, code=pyotp.TOTP(plain).at(time.time() + 30)), "/")
    assert "password and one-time code" in text_of(await other.open("/account"))

    link = re.search(r'href="(/account/factors/[^"]+)"', page.text)
    assert link is not None
    form = form_to(await browser.open(link[1]), link[1])
    went(await browser.send(form, password=PASSWORD), "/account")
    assert "You have none" in text_of(await browser.open("/account"))


async def test_a_passkey_begins_with_a_name_and_a_password_and_refuses_what_no_device_gave(approval: Approval) -> None:
    browser = await browser_of(approval, HELPDESK)
    form = form_to(await browser.open("/account/passkey"), "/account/passkey")
    assert (await browser.send(form, name="", password=PASSWORD)).status_code == 422
    hostile = '"><script>alert(1)</script>'
    page = await browser.send(form, name=hostile, password=PASSWORD)
    if page.status_code == 409:
        # Where the portal has an address without a name there are no passkeys, and the page says so.
        assert "passkey" in text_of(page).lower()
        return
    assert "<script>alert" not in page.text
    assert "data-register-passkey" in page.text
    done = await browser.send(form_to(page, "/account/passkey/add"), credential="{}")
    assert done.status_code == 422
    done = await browser.send(form_to(page, "/account/passkey/add"), credential="no JSON")
    assert done.status_code == 422


async def test_a_password_is_changed_typed_twice_and_ends_the_other_sessions(approval: Approval) -> None:
    browser, elsewhere = await browser_of(approval, AUDITOR), await browser_of(approval, AUDITOR)
    form = form_to(await browser.open("/account"), "/account/password")
    page = await browser.send(form, current=PASSWORD, new=[NEW_PASSWORD, NEW_PASSWORD + "x"])
    assert page.status_code == 422
    assert "The two entries are not the same" in text_of(page)
    assert NEW_PASSWORD not in page.text
    page = await browser.send(form, current="wrong", new=[NEW_PASSWORD, NEW_PASSWORD])
    assert "This is not your password" in text_of(page)
    page = await browser.send(form, current=PASSWORD, new=["short", "short"])
    assert page.status_code == 422
    assert 'id="new-error"' in page.text
    page = await browser.send(form, current=PASSWORD, new=["password1234", "password1234"])
    assert page.status_code == 422
    went(await browser.send(form, current=PASSWORD, new=[NEW_PASSWORD, NEW_PASSWORD]), "/account?done=password")
    assert (await elsewhere.get("/account")).status_code == 303
    assert (await browser.get("/account")).status_code == 200


async def test_sessions_are_listed_and_ended(approval: Approval) -> None:
    browser, elsewhere = await browser_of(approval, USER), await browser_of(approval, USER)
    page = await browser.open("/account")
    ends = re.findall(r'action="(/account/sessions/[^"]+/end)"', page.text)
    assert ends
    for end in ends:
        went(await browser.send(form_to(page, end)), "/account?done=session")
    assert (await elsewhere.get("/account")).status_code == 303
    assert (await browser.get("/account")).status_code == 200
    assert (await browser.send(form_to(page, ends[0]))).status_code == 404


async def test_an_administrator_gets_new_recovery_codes_to_print_and_others_get_none(approval: Approval) -> None:
    browser = await browser_of(approval, ADMIN)
    form = form_to(await browser.open("/account/recovery-codes"), "/account/recovery-codes")
    assert (await browser.send(form, password="wrong")).status_code == 422
    page = await browser.send(form, password=PASSWORD)
    codes = re.findall(r'<li class="code">([0-9A-Z-]+)</li>', page.text)
    assert len(set(codes)) == 10
    assert page.headers["cache-control"] == "no-store"
    for code in codes:
        assert code not in (await browser.open("/account")).text
    other = await browser_of(approval, HELPDESK)
    assert (await other.get("/account/recovery-codes")).status_code == 404
    csrf = form_to(await other.open("/account"), "/account/password").value("csrf")
    refused = await other.post("/account/recovery-codes", [("csrf", csrf), ("password", PASSWORD)])
    assert refused.status_code == 403
    assert not re.findall(r'<li class="code">', refused.text)


async def test_the_page_speaks_german_to_who_reads_german(approval: Approval) -> None:
    page = text_of(await (await browser_of(approval, DPO, language="de")).open("/account"))
    assert "Mein Konto" in page
    assert "Zweite Faktoren" in page
