"""What people do with a request on its page: decide, ask, answer, withdraw, end access. A refusal keeps what was typed."""

import json
from typing import Any

from fastapi import Response

from services.approval.portal.page import HEADERS, Page, Posted, SignedInPage, go
from services.approval.portal.request_facts import narrowing
from services.approval.portal.request_page import request_page
from services.approval.portal.routing import PageRouter
from shared.web.fields import EventId, parse_id
from shared.web.problems import Problem, invalid, not_found

router = PageRouter()

_JSON = {**HEADERS, "Content-Type": "application/json"}


@router.post("/requests/{request_id}/approve")
async def approve(request_id: EventId, page: SignedInPage, form: Posted) -> Response:
    try:
        body = {"comment": form.text("comment"), **await _narrowed(page, request_id), **_shown(page)}
        decided = await page.api.post(f"/v1/requests/{request_id}/approve", body, key=form.key)
    except Problem as problem:
        return await request_page(page, request_id, problem=problem)
    # What has changed since the submission can make the service deny what somebody approves.
    return go(f"/requests/{request_id}", done="void" if decided.content["state"] == "denied" else "approve")


@router.post("/requests/{request_id}/deny")
async def deny(request_id: EventId, page: SignedInPage, form: Posted) -> Response:
    comment = form.text("comment") or ""
    try:
        _need("comment", comment)
        await page.api.post(f"/v1/requests/{request_id}/deny", {"comment": comment, **_shown(page)}, key=form.key)
    except Problem as problem:
        return await request_page(page, request_id, problem=problem)
    return go(f"/requests/{request_id}", done="deny")


@router.post("/requests/{request_id}/provider-approve")
async def provider_approve(request_id: EventId, page: SignedInPage, form: Posted) -> Response:
    body = {"comment": form.text("comment")}
    return await _sent(page, request_id, "provider-approve", f"/v1/requests/{request_id}/provider-approve", body)


@router.post("/requests/{request_id}/provider-deny")
async def provider_deny(request_id: EventId, page: SignedInPage, form: Posted) -> Response:
    body = {"comment": form.text("comment") or ""}
    path = f"/v1/requests/{request_id}/provider-deny"
    return await _sent(page, request_id, "provider-deny", path, body, needed="comment")


@router.post("/requests/{request_id}/ask")
async def ask(request_id: EventId, page: SignedInPage, form: Posted) -> Response:
    path, body = f"/v1/requests/{request_id}/questions", {"text": form.text("text") or ""}
    return await _sent(page, request_id, "ask", path, body, needed="text")


@router.post("/requests/{request_id}/answer")
async def answer(request_id: EventId, page: SignedInPage, form: Posted) -> Response:
    """Answer a question: the provider's service takes it, and it comes back as an event."""
    text = form.text("text") or ""
    try:
        _need("text", text)
        await page.api.request_api("POST", f"/v1/requests/{request_id}/answers", {"text": text}, key=form.key)
    except Problem as problem:
        return await request_page(page, request_id, problem=problem)
    return go(f"/requests/{request_id}", done="answer")


@router.post("/requests/{request_id}/withdraw")
async def withdraw(request_id: EventId, page: SignedInPage, form: Posted) -> Response:
    try:
        await page.api.request_api("POST", f"/v1/requests/{request_id}/withdraw", key=form.key)
    except Problem as problem:
        return await request_page(page, request_id, problem=problem)
    return go(f"/requests/{request_id}", done="withdraw")


@router.post("/grants/{grant_id}/revoke")
async def revoke(grant_id: EventId, page: SignedInPage, form: Posted) -> Response:
    try:
        request_id = parse_id(form.text("request") or "")
    except ValueError:
        raise not_found() from None
    body = {"reason": form.text("reason") or ""}
    return await _sent(page, request_id, "revoke", f"/v1/grants/{grant_id}/revoke", body, needed="reason")


@router.post("/requests/{request_id}/challenge")
async def challenge(request_id: EventId, page: SignedInPage, form: Posted) -> Response:
    """Give the script what a passkey is to sign: the decision as the form has it now."""
    decision = form.text("decision") or ""
    body: dict[str, Any] = {"decision": decision}
    try:
        if decision == "approve":
            body |= await _narrowed(page, request_id)
        found = (await page.api.post(f"/v1/requests/{request_id}/challenge", body)).content
    except Problem as problem:
        return Response(json.dumps({"said": page.explain(problem)}), problem.status, _JSON)
    return Response(json.dumps(found), 200, _JSON)


async def _sent(
    page: Page, request_id: str, done: str, path: str, body: dict[str, Any], *, needed: str | None = None
) -> Response:
    try:
        if needed is not None:
            _need(needed, body[needed])
        await page.api.post(path, body, key=page.form.key)
    except Problem as problem:
        return await request_page(page, request_id, problem=problem)
    return go(f"/requests/{request_id}", done=done)


def _need(field: str, text: str) -> None:
    if not text:
        raise invalid((field, "is required: add it"))


async def _narrowed(page: Page, request_id: str) -> dict[str, Any]:
    return narrowing(page.form, await page.api.get(f"/v1/requests/{request_id}"))


def _shown(page: Page) -> dict[str, Any]:
    """Give the second proof, where one was shown, and the settings by which the visitor decides."""
    body: dict[str, Any] = {}
    code, assertion, version = (page.form.text(name) for name in ("code", "assertion", "settings_version"))
    if code is not None:
        body["code"] = code.replace(" ", "")
    if assertion is not None:
        try:
            body["assertion"] = json.loads(assertion)
        except ValueError:
            raise invalid(("assertion", "is not what a passkey gives: try again"), code="wrong_assertion") from None
    if version is not None and version.isascii() and version.isdigit():
        body["settings_version"] = int(version[:9])
    return body
