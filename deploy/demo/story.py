"""The story: an approval, a refused action, an end by the clock, a denial, an expiry, and the history as the log tells it."""

import asyncio
import email
import email.policy
from typing import Any

import httpx

from deploy.demo import telling
from deploy.demo.mailbox import mailbox, serving
from deploy.demo.people import LOOK_SECONDS, WAIT_SECONDS, Person, UnexpectedAnswer, sign_in
from deploy.demo.system import Addresses
from deploy.demo.telling import chapter, console, exchanged, note, says

ALICE = "exchange-online/mailboxes/alice"
GRANT_SECONDS = 6
WINDOW_SECONDS = 4
SETTINGS_SECONDS = 1.0


def _request(tenant: str, detail: str, duration: str) -> dict[str, Any]:
    return {
        "tenant": tenant,
        "service": "exchange-online",
        "ticket": "INC-20931",
        "reason": {"category": "customer_support", "detail": detail},
        "resources": [{"id": ALICE, "operations": ["read"]}],
        "duration": duration,
    }


class Story:
    """Who takes part, and where."""

    def __init__(self, at: Addresses, people: dict[str, Person], box: str) -> None:
        self.at = at
        self.eve, self.max, self.dpo = people["eve"], people["max"], people["dpo"]
        self.admin, self.auditor = people["admin"], people["auditor"]
        self._box = box

    async def submit(self, tenant: str, detail: str, duration: str = "PT2H") -> str:
        made = await self.eve.does(
            "POST",
            f"{self.at.request_api}/v1/requests",
            _request(tenant, detail, duration),
            shown=("state", "decide_by"),
        )
        return str(made["id"])

    async def manager_approves(self, request: str) -> None:
        await self.max.awaits(f"{self.at.approval}/v1/requests/{request}", "awaiting_provider")
        await self.max.does(
            "POST",
            f"{self.at.approval}/v1/requests/{request}/provider-approve",
            {"comment": "Ticket checked."},
            shown=("state",),
        )

    async def mail_for(self, address: str, request: str) -> None:
        """Wait for the mail about a request and show it."""
        async with (
            httpx.AsyncClient(base_url=self.at.mail, timeout=20, trust_env=False) as http,
            asyncio.timeout(WAIT_SECONDS),
        ):
            while True:
                for item in (await http.get("/messages")).json()["items"]:
                    if address not in item["to"]:
                        continue
                    raw = (await http.get(f"/messages/{item['id']}.eml")).content
                    message = email.message_from_bytes(raw, policy=email.policy.default)
                    body = message.get_body(("plain",))
                    text = body.get_content() if body is not None else ""
                    if request in text or request in str(message):
                        telling.mail(f"Mail to {address}: {item['subject']}", text)
                        return
                await asyncio.sleep(LOOK_SECONDS)

    async def opens(self, user: str, token: str, method: str = "GET") -> httpx.Response:
        """The engineer's tool asks the mailbox application."""
        async with httpx.AsyncClient(base_url=self._box, timeout=20, trust_env=False) as http:
            return await http.request(method, f"/mailboxes/{user}", headers={"Authorization": f"Bearer {token}"})


async def approval(story: Story) -> str:
    chapter(
        1,
        "A request is approved",
        "Nobody at the provider can open a customer's mailbox. Eve asks; her manager and the customer must both agree.",
    )
    says("Eve, engineer", f"asks Contoso for {ALICE}, to read it, for {GRANT_SECONDS} seconds.")
    request = await story.submit("contoso", "Alice cannot open invoices sent as attachments.", f"PT{GRANT_SECONDS}S")
    says("Max, manager", "agrees that the ticket needs it. Contoso is asked now, and not before.")
    await story.manager_approves(request)
    await story.mail_for("dpo@contoso.example", request)
    says("Dana, data protection officer of Contoso", "reads who asks, for what, why and how long, and approves.")
    await story.dpo.does(
        "POST",
        f"{story.at.approval}/v1/requests/{request}/approve",
        {"comment": "Alice agreed by phone."},
        shown=("state", "grant"),
    )
    return request


async def action(story: Story, request: str) -> None:
    chapter(
        2,
        "Eve acts, and nothing is off the record",
        "A grant token is given only once the approval is in Contoso's log. Each action is durably recorded before its answer.",
    )
    await story.eve.awaits(f"{story.at.request_api}/v1/requests/{request}", "approved")
    granted = await story.eve.does(
        "POST", f"{story.at.request_api}/v1/requests/{request}/token", {}, shown=("access_until", "log")
    )
    token: str = granted["token"]
    says("Eve, engineer", "opens Alice's mailbox with the token.")
    opened = await story.opens("alice", token)
    exchanged(opened)
    _expect(opened, httpx.codes.OK)
    note(opened.text.replace("\n", " / "))
    says("Eve, engineer", "tries Carol's mailbox, which nobody granted, and tries to delete Alice's.")
    for user, method in (("carol", "GET"), ("alice", "DELETE")):
        refused = await story.opens(user, token, method)
        exchanged(refused, shown={"code": refused.json()["code"]})
        _expect(refused, httpx.codes.FORBIDDEN)
    says("The clock", f"passes the {GRANT_SECONDS} seconds. The grant ends by itself.")
    ended = await story.eve.awaits(f"{story.at.request_api}/v1/requests/{request}", "ended")
    note(f"the request is {ended['state']}, ended by: {ended['ended_by']}")
    late = await story.opens("alice", token)
    exchanged(late, shown={"code": late.json()["code"]})
    if late.is_success:
        raise UnexpectedAnswer("the mailbox was opened after the grant had ended")


async def denial(story: Story) -> str:
    chapter(3, "A request is denied", "A no needs a reason, and the engineer reads it.")
    says("Eve, engineer", "asks for the same mailbox again, without saying much.")
    request = await story.submit("contoso", "Need to look again.")
    says("Max, manager", "lets it pass.")
    await story.manager_approves(request)
    says("Dana, data protection officer of Contoso", "is not convinced.")
    await story.dpo.does(
        "POST",
        f"{story.at.approval}/v1/requests/{request}/deny",
        {"comment": "The ticket is closed; say what is still missing."},
        shown=("state",),
    )
    seen = await story.eve.awaits(f"{story.at.request_api}/v1/requests/{request}", "denied")
    note(f"Eve reads: {seen['decisions'][-1]['comment']}")
    return request


async def expiry(story: Story) -> str:
    chapter(
        4,
        "A request expires",
        f"Silence is a no. Fabrikam gives itself {WINDOW_SECONDS} seconds to decide, so that we can watch it.",
    )
    settings = f"{story.at.approval}/v1/tenants/fabrikam/settings"
    says("Alex, global admin of Fabrikam", f"sets the decision window to {WINDOW_SECONDS} seconds.")
    current = await story.admin.get(settings)
    await story.admin.does(
        "PUT", settings, {**current, "decision_window": f"PT{WINDOW_SECONDS}S"}, shown=("decision_window", "version")
    )
    # The service that stamps the end of the window hears of the change by an event.
    await asyncio.sleep(SETTINGS_SECONDS)
    says("Eve, engineer", "asks Fabrikam. Max agrees. At Fabrikam nobody looks.")
    request = await story.submit("fabrikam", "Storage quota is reported wrongly.")
    await story.manager_approves(request)
    await story.eve.awaits(f"{story.at.request_api}/v1/requests/{request}", "expired")
    note("the window has closed: the request is expired, and can never be approved")
    return request


async def history(story: Story, requests: dict[str, str]) -> None:
    chapter(
        5,
        "What the log says",
        "The audit service took down every step, in order and without a gap. Contoso's own auditor reads it, not the provider's.",
    )
    for what, request in requests.items():
        shown = await story.auditor.get(f"{story.at.audit}/v1/requests/{request}")
        console.print(f"\n[bold]{what}[/bold]  [dim]{request}[/dim]  {shown['state']}")
        telling.history([_row(event, shown["engineer"]["name"]) for event in shown["events"]])


def _row(event: dict[str, Any], engineer: str) -> tuple[str, str, str, str]:
    data = event["data"]
    what = event["type"].removeprefix("lockbox.").removesuffix(".v1")
    if "operation" in data:
        what += f"  {data['operation']} {data['resource']}" + (f"  ({data['code']})" if data.get("code") else "")
    if "recipient" in data:
        what += f"  to {data['recipient']}"
    by = data.get("approver") or data.get("by") or data.get("engineer") or {}
    who = {"service": event["actorid"], "engineer": engineer}.get(event["actortype"]) or by.get("name", "")
    return str(event["leafindex"]), event["time"][11:23], what, who


def _expect(response: httpx.Response, status: int) -> None:
    if response.status_code != status:
        raise UnexpectedAnswer(f"{response.request.url}: {response.status_code} instead of {status}: {response.text}")


async def tell(at: Addresses) -> None:
    """Play the whole story on a running system. Raises UnexpectedAnswer where it goes another way."""
    people = {
        "eve": await sign_in(at, "provider", "eve@provider.example", "Eve"),
        "max": await sign_in(at, "provider", "max@provider.example", "Max"),
        "dpo": await sign_in(at, "contoso", "dpo@contoso.example", "Dana"),
        "admin": await sign_in(at, "fabrikam", "admin@fabrikam.example", "Alex"),
        "auditor": await sign_in(at, "contoso", "auditor@contoso.example", "Aiko"),
    }
    try:
        async with serving(mailbox(at.request_api)) as box:
            story = Story(at, people, box)
            approved = await approval(story)
            await action(story, approved)
            denied = await denial(story)
            await expiry(story)
            await history(story, {"Approved, used, ended": approved, "Denied": denied})
    finally:
        for person in people.values():
            await person.close()
