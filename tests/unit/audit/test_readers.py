"""Who may read which log, and where it is noted."""

import pytest

from services.audit.domain.readers import Reader, logs_to_note, may_read


@pytest.mark.parametrize(
    ("realm", "role", "may"),
    [
        ("contoso", "global_admin", True),
        ("contoso", "lockbox_approver", True),
        ("contoso", "auditor", True),
        ("contoso", "user_admin", False),
        ("contoso", "manager", False),
        ("provider", "auditor", True),
        ("provider", "manager", False),
        ("provider", "engineer", False),
        ("provider", "operator", False),
        ("provider", "global_admin", False),
        ("provider", "lockbox_approver", False),
    ],
)
def test_each_role_reads_what_is_its_own(realm: str, role: str, may: bool) -> None:
    assert may_read(realm, [role]) is may
    assert may_read(realm, [role, "another"]) is may


def test_nobody_reads_without_a_role() -> None:
    assert not may_read("contoso", [])
    assert not may_read("provider", [])


def test_a_tenants_reader_sees_one_log_and_the_providers_auditor_all() -> None:
    assert Reader("m", "a@b.example", "contoso", "t").scope == "contoso"
    assert Reader("m", "a@b.example", "provider", "t").scope is None


def test_a_read_is_noted_with_everybody_whose_entries_were_read() -> None:
    assert logs_to_note("contoso", {"contoso"}) == ["contoso"]
    assert logs_to_note("contoso", set()) == ["contoso"]
    assert logs_to_note("provider", {"fabrikam", "contoso"}) == ["contoso", "fabrikam", "provider"]
    assert logs_to_note("provider", set()) == ["provider"]
