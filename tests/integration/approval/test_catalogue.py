"""What is covered, and what of it is not, is there for everybody who is signed in."""

from __future__ import annotations

from typing import Any

from tests.integration.approval.rules import DPO, put, settings
from tests.integration.approval.system import Approval, refused


async def services(approval: Approval, who: str) -> dict[str, Any]:
    response = await approval.call(who, "GET", "/v1/services")
    assert response.status_code == 200
    return {one.pop("id"): one for one in response.json()["items"]}


async def test_each_service_is_shown_with_the_parts_that_are_excluded(approval: Approval) -> None:
    found = await services(approval, "eve@provider.example")
    assert list(found) == ["exchange-online", "sharepoint-online", "onedrive-for-business", "skype-for-business"]
    assert found["exchange-online"] == {"name": "Exchange Online", "excludes": [], "covered": None}
    assert found["skype-for-business"]["excludes"] == ["meeting-recordings", "meeting-uploads"]


async def test_a_tenants_people_see_what_their_settings_cover(approval: Approval) -> None:
    for who in (DPO, "user@contoso.example"):
        assert {one["covered"] for one in (await services(approval, who)).values()} == {True}
    before = (await settings(approval))["services"]
    try:
        assert (await put(approval, DPO, services=["sharepoint-online"])).status_code == 200
        found = await services(approval, "user@contoso.example")
        assert [name for name, one in found.items() if one["covered"]] == ["sharepoint-online"]
        theirs = await services(approval, "user@fabrikam.example")
        assert {one["covered"] for one in theirs.values()} == {True}
    finally:
        assert (await put(approval, DPO, services=before)).status_code == 200


async def test_nobody_reads_it_without_a_token(approval: Approval) -> None:
    refused(await approval.call(None, "GET", "/v1/services"), 401, "not_authenticated")
