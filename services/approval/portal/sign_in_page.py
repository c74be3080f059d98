"""The sign-in form: at its own address, and in place of what an ended session kept from being done."""

from typing import Final

from fastapi import Response

from services.approval.portal.forms import Form
from services.approval.portal.page import Page, render
from shared.web.problems import Problem

# Carried through the sign-in under this prefix, so that they cannot be taken for fields of the sign-in itself.
KEPT: Final = "kept."


async def sign_in_page(
    page: Page,
    *,
    next_path: str,
    kept: Form | None = None,
    problem: Problem | None = None,
    sealed: str | None = None,
    status: int = 200,
) -> Response:
    """Show the form. `kept` are the fields of a form that waits; `sealed` says that only the one-time code is missing."""
    realm = page.form.shown("realm", page.request.query_params.get("realm", ""))
    issuers = []
    if realm and sealed is None:
        try:
            issuers = (await page.api.get(f"/v1/realms/{realm}/issuers"))["items"]
        except Problem:
            # A realm that cannot be one, or is not known: the form itself says what is wrong once it is sent.
            issuers = []
    return render(
        page,
        "sign_in.html",
        status=status,
        problem=problem,
        realm=realm,
        next_path=next_path,
        kept=[(f"{KEPT}{name}", value) for name, value in kept.pairs] if kept is not None else [],
        waiting=kept is not None,
        sealed=sealed,
        issuers=issuers,
    )
