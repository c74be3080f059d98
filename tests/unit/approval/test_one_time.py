"""Secrets that are given once: made anew each time, found again however they are typed, and bound to whom they are for."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.approval.link_letters import LinkLetters
from services.approval.one_time import (
    client_digest,
    code_digest,
    link_digest,
    link_token,
    new_client_secret,
    new_codes,
)
from services.approval.store.mails import About, Mail
from shared.events.envelope import new_id
from shared.settings import Settings
from tests.integration.approval.system import settings_for

SETTINGS = settings_for("postgresql://nobody@127.0.0.1/none", Path("key.pem"))
OTHER = SETTINGS.model_copy(
    update={"internal_secret": type(SETTINGS.internal_secret)("another-secret-of-32-characters-x")}
)


def digest(code: str, settings: Settings = SETTINGS, *, email: str = "a@b.example", realm: str = "contoso") -> bytes:
    return code_digest(settings, realm=realm, email=email, code=code)


def test_a_links_token_is_the_same_each_time_and_nobody_elses() -> None:
    link, other = new_id(), new_id()
    assert link_token(SETTINGS, link) == link_token(SETTINGS, link)
    tokens = {link_token(SETTINGS, link), link_token(SETTINGS, other), link_token(OTHER, link)}
    assert len(tokens) == len({link_digest(token) for token in tokens}) == 3
    assert all(len(token) == 43 for token in tokens)


@pytest.mark.parametrize(
    "typed",
    ["01AB-CDEF-GH23-4567", "01abcdefgh234567", " olab cdef\tgh23 4567 ", "O1AB‑CDEF‑GH23–4567", "0iAB-CDEF-GH23-4567"],
)
def test_a_code_is_known_however_it_is_typed(typed: str) -> None:
    assert digest(typed) == digest("01AB-CDEF-GH23-4567")


def test_a_code_is_good_for_one_person_of_one_realm_under_one_key() -> None:
    code = "01AB-CDEF-GH23-4567"
    others = [digest(code, email="c@b.example"), digest(code, realm="fabrikam"), digest(code, OTHER), digest(code[:-1])]
    assert digest(code) not in others


def test_codes_and_secrets_are_long_and_never_the_same() -> None:
    codes = [code for _ in range(50) for code in new_codes()]
    assert len(set(codes)) == len(codes) == 500
    # 16 characters of an alphabet of 32 are 80 bits.
    assert {len(code.replace("-", "")) for code in codes} == {16}
    assert len(set("".join(codes)) - {"-"}) == 32
    secrets = {new_client_secret() for _ in range(50)}
    assert len(secrets) == 50
    assert all(secret.startswith("lbxc_") and len(secret) >= 48 for secret in secrets)


def test_a_clients_secret_is_bound_to_the_client() -> None:
    one, other = new_id(), new_id()
    secret = new_client_secret()
    digests = {
        client_digest(settings, client_id=client, secret=secret)
        for settings in (SETTINGS, OTHER)
        for client in (one, other)
    }
    assert len(digests) == 4


@pytest.mark.parametrize("about", ["welcome", "reset", "privileged_role"])
@pytest.mark.parametrize("language", ["en", "de", "xx"])
def test_every_letter_carries_its_link_once_in_each_part_and_nothing_of_a_name_acts(
    about: About, language: str
) -> None:
    from datetime import UTC, datetime

    mail = Mail(
        id=new_id(),
        link_id=new_id(),
        about=about,
        language=language,
        made_at=datetime.now(UTC),
        attempts=1,
        email="a@b.example",
        name='<img src=x>{{ 7 * 7 }}\r\nBcc: evil@example.com\u202e"',
        realm="contoso",
        realm_name="Con<b>toso",
        expires_at=datetime.now(UTC),
        is_good=True,
    )
    message = LinkLetters(SETTINGS).write(mail)
    link = f"http://127.0.0.1:8001/setup?token={link_token(SETTINGS, mail.link_id)}"
    text, html = message.get_body(("plain",)), message.get_body(("html",))
    assert text is not None
    assert html is not None
    assert text.get_content().count(link) == html.get_content().count(link) == 1
    assert "<img" not in html.get_content()
    assert "<b>" not in html.get_content()
    assert "\u202e" not in text.get_content()
    assert "{{ 7 * 7 }}" in text.get_content()
    assert message["Bcc"] is None
    assert "Lockbox" in message["Subject"]
    assert message["Message-ID"].startswith(f"<{mail.id}@")
