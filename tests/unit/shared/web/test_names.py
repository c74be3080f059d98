"""The other fields: tenants, realms, operations, addresses, ids, texts, passwords."""

import pytest
import uuid_utils
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr, TypeAdapter, ValidationError

from shared.web.fields import (
    TEXT_BYTES,
    Email,
    EventId,
    Name,
    NewPassword,
    Operation,
    Realm,
    TenantId,
    Text4K,
    parse_email,
    parse_id,
)

tenant = TypeAdapter[str](TenantId).validate_python
realm = TypeAdapter[str](Realm).validate_python
operation = TypeAdapter[str](Operation).validate_python
email = TypeAdapter[str](Email).validate_python
name = TypeAdapter[str](Name).validate_python
text4k = TypeAdapter[str](Text4K).validate_python
event_id = TypeAdapter[str](EventId).validate_python
password = TypeAdapter[SecretStr](NewPassword).validate_python


@given(st.text(max_size=70))
def test_any_text_is_a_tenant_of_safe_characters_or_refused(text: str) -> None:
    try:
        accepted = tenant(text)
    except ValidationError:
        return
    # It stands in addresses, routing keys and file names.
    assert set(accepted) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")


@pytest.mark.parametrize(
    "text", ["", "Contoso", "con toso", "-a", "a-", "a.b", "a/b", "a_b", "a" * 64, "contoso\n", "ä"]
)
def test_a_tenant_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(ValidationError, match="must be like contoso"):
        tenant(text)


def test_the_providers_realm_is_no_tenant() -> None:
    assert realm("provider") == "provider"
    assert realm("contoso") == tenant("contoso") == "contoso"
    with pytest.raises(ValidationError, match="provider's own realm"):
        tenant("provider")


@pytest.mark.parametrize("text", ["read", "write", "x-1_y", "a" * 64])
def test_an_operation_is_a_word_in_lower_case(text: str) -> None:
    assert operation(text) == text


@pytest.mark.parametrize("text", ["", "Read", "1read", "re ad", "a" * 65, "read\n", "*"])
def test_an_operation_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(ValidationError, match="must be an operation"):
        operation(text)


@given(st.emails())
def test_an_address_is_lower_case_and_stays_itself_or_is_refused(address: str) -> None:
    try:
        accepted = parse_email(address)
    except ValueError:
        return
    assert accepted == address.lower()
    assert parse_email(accepted) == accepted
    assert "/" not in accepted
    assert "%" not in accepted


def test_addresses_that_differ_in_case_are_one() -> None:
    assert email("DPO@Contoso.Example") == "dpo@contoso.example"


@pytest.mark.parametrize(
    "text",
    ["", "a", "@b", "a@", "a@b@c", "a b@c", "a@b c", "a@-b", "a@b-", "a@b..c", "a..b@c", ".a@b", "a@b\n", "a/b@c", "a%b@c",
     "a" * 65 + "@b", "a@" + "b" * 250 + ".example", "ä@b", "a@\u212a", "Max <max@b>"],
)  # fmt: skip
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be an e-mail address"):
        parse_email(text)


def test_an_id_is_a_uuid_of_version_7_in_lower_case() -> None:
    made = str(uuid_utils.uuid7())
    assert event_id(made.upper()) == made


@given(st.uuids().map(str) | st.text(max_size=40))
def test_other_ids_are_refused(text: str) -> None:
    if text[14:15] == "7" and len(text) == 36:
        return
    with pytest.raises(ValueError, match="must be an id"):
        parse_id(text)


def test_a_text_is_limited_in_bytes_not_in_characters() -> None:
    assert text4k("x" * TEXT_BYTES)
    assert text4k("é" * (TEXT_BYTES // 2))
    for long in ("x" * (TEXT_BYTES + 1), "é" * (TEXT_BYTES // 2 + 1)):
        with pytest.raises(ValidationError, match="at most 4096 bytes"):
            text4k(long)


@pytest.mark.parametrize("blank", ["", " ", "\n\t"])
def test_a_blank_text_is_refused(blank: str) -> None:
    for read in (text4k, name):
        with pytest.raises(ValidationError, match=r"must not be empty|must be one line"):
            read(blank)


def test_a_text_may_have_lines_and_a_name_may_not() -> None:
    assert text4k("one\ntwo") == "one\ntwo"
    assert name(" Max Muster ") == "Max Muster"
    with pytest.raises(ValidationError, match="one line"):
        name("one\ntwo")


@pytest.mark.parametrize("text", ["a\0b", "a\ud800b"])
def test_what_cannot_be_stored_is_refused(text: str) -> None:
    for read in (text4k, name):
        with pytest.raises(ValidationError):
            read(text)


def test_a_new_password_has_twelve_characters_at_least() -> None:
    given = password("correct horse battery")
    assert given.get_secret_value() == "correct horse battery"
    assert "horse" not in repr(given)
    with pytest.raises(ValidationError):
        password("short")
