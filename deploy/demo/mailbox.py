"""The provider's application in the demo: mailboxes that nobody opens without asking the lockbox first."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import uvicorn
from fastapi import FastAPI, Request, Response

MAIL = {
    "alice": "From: Bob\nSubject: Invoice 4711\n\nThe attachment does not open.",
    "carol": "From: Dave\nSubject: Confidential\n\nNobody but Carol reads this.",
}
_OPERATIONS = {"GET": "read", "DELETE": "delete"}


def mailbox(request_api: str) -> FastAPI:
    """Make the application. It serves a mailbox only when the action stands in the customer's record."""
    app = FastAPI(openapi_url=None)

    @app.api_route("/mailboxes/{user}", methods=list(_OPERATIONS))
    async def serve(user: str, request: Request) -> Response:
        action = {"resource": f"exchange-online/mailboxes/{user}", "operation": _OPERATIONS[request.method]}
        async with httpx.AsyncClient(base_url=request_api, trust_env=False, timeout=10) as lockbox:
            answer = await lockbox.post(
                "/v1/actions", json=action, headers={"Authorization": request.headers.get("Authorization", "")}
            )
        # Anything but a clear yes is a no.
        if answer.status_code != httpx.codes.CREATED or not answer.json().get("allowed"):
            return Response(answer.content, answer.status_code, media_type="application/problem+json")
        return Response(MAIL.get(user, ""), media_type="text/plain")

    return app


@asynccontextmanager
async def serving(app: FastAPI) -> AsyncIterator[str]:
    """Serve an application on a free port of the loopback; give its address."""
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off"))
    task = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        await task
        listening.close()
