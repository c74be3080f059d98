"""The portal's languages: all messages translated, the reader's choice kept, values written as he writes them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from services.approval.portal.extract import missing
from services.approval.words import Words, visible, wanted
from tests.integration.approval.portal.browsing import Browser, text_of
from tests.integration.approval.system import Approval


def test_german_says_everything_that_english_says() -> None:
    assert missing("de") == []


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"),
        ("de", "de"),
        ("de-AT,de;q=0.9,en;q=0.8", "de"),
        ("en-GB,en;q=0.9,de;q=0.8", "en"),
        ("fr,de;q=0.5", "de"),
        ("fr", "en"),
        ("de;q=0", "en"),
        ("de;q=nonsense,*", "en"),
        ("x" * 5000 + ",de", "de"),
    ],
)
def test_the_language_is_the_first_of_ours_that_the_browser_wants(header: str, language: str) -> None:
    assert wanted(header) == language


def test_times_and_durations_are_written_for_people() -> None:
    moment = datetime(2026, 11, 25, 11, 38, tzinfo=UTC)
    assert Words("en").instant(moment) == "25 November 2026, 11:38 UTC"
    assert Words("de").instant("2026-11-25T11:38:00Z") == "25. November 2026, 11:38 UTC"
    assert Words("en").duration("PT1H30M") == "1 hour 30 minutes"
    assert Words("de").duration(timedelta(days=2)) == "2 Tage"
    assert Words("en").remaining(moment + timedelta(hours=3, minutes=12, seconds=40), moment) == "3 hours 12 minutes"
    assert Words("en").remaining(moment - timedelta(hours=1), moment) == "0 seconds"
    assert (Words("de").country("IE"), Words("de").country("zz-"), Words("en").country(None)) == ("Irland", "zz-", "")


def test_characters_that_hide_or_reorder_others_are_named() -> None:
    assert visible("a\u202eb\u200fc\x07") == "a[U+202E]b[U+200F]c[U+0007]"
    assert visible("schön 👩\u200d💻\r\nzwei") == "schön 👩\u200d💻\nzwei"


async def test_the_choice_of_a_language_is_kept_and_leads_back(approval: Approval) -> None:
    browser = Browser(approval)
    page = await browser.open("/sign-in")
    assert '<html lang="en">' in page.text
    back = await browser.get("/language?to=de&next=/sign-in?next=/history")
    assert back.headers["location"] == "/sign-in?next=/history"
    page = await browser.open("/sign-in")
    assert '<html lang="de">' in page.text
    assert "Anmelden" in text_of(page)


async def test_a_german_reads_a_request_in_german(approval: Approval) -> None:
    request_id = await approval.passed_on()
    browser = await Browser(approval, language="de-DE,de;q=0.9").as_("dpo@contoso.example")
    said = text_of(await browser.open(f"/requests/{request_id}"))
    assert "2 Stunden" in said
    for english in ("Who asks", "Your decision", "For how long", "Sign out", "minutes", "Comment "):
        assert english not in said
