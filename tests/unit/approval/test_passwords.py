"""Which passwords nobody may choose."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as some

from services.approval.domain.refusals import Invalid
from services.approval.passwords import check_new_password


def check(password: str) -> None:
    check_new_password(
        password, email="dana.dpo@contoso-group.example", name="Dana Müller", realm="contoso", field="new"
    )


def objection(password: str) -> str:
    """Give what is said against a password, which names the caller's field."""
    with pytest.raises(Invalid) as refusal:
        check(password)
    ((field, message),) = refusal.value.errors
    assert field == "new"
    return message


@pytest.mark.parametrize(
    "password",
    [
        "a-password-of-the-tests",
        "correct horse battery staple",
        "Kf8!qLz2#vTn",
        "ein langer Satz über nichts",
        "密码密碼一二三四五六七八九十",
        "58203957203958",
    ],
)
def test_a_long_password_that_nobody_tries_first_is_taken(password: str) -> None:
    check(password)


@pytest.mark.parametrize(
    "password",
    [
        "administrator",
        "ADMINISTRATOR",
        "Password1234",
        "!!password!!!!",
        "2026password2026",
        "p@ssw0rd12345",
        "passwordpassword",
        "password1password1",
        "responsibility",
        "ｐａｓｓｗｏｒｄ１２３４",
        "123456789012",
        "210987654321",
        "qwertyuiopas",
        "abcdefghijklmn",
        "aaaaaaaaaaaa",
        "............",
        "abcabcabcabc",
        "121212121212",
    ],
)
def test_a_common_password_is_refused_however_it_is_dressed(password: str) -> None:
    assert "too common" in objection(password)


@pytest.mark.parametrize(
    "password",
    [
        "dana.dpo@contoso-group.example",
        "Dana.Müller.2026",
        "contoso-2026!",
        "Contoso123456",
        "lockbox-12345",
        "Lockbox4Contoso!",
        "DanaMüller123",
        "dpo.contoso.1234",
    ],
)
def test_a_password_made_of_what_everybody_knows_of_the_person_is_refused(password: str) -> None:
    assert "made of your name" in objection(password)


def test_a_short_one_is_refused_with_the_number_that_it_takes() -> None:
    assert objection("short") == "must have at least 12 characters"


@given(some.text(max_size=256))
def test_whatever_is_typed_is_judged(password: str) -> None:
    with suppress(Invalid):
        check(password)
