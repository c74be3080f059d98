"""The people of the demo: each has signed in, and speaks to the services with his own session."""

import asyncio
from typing import Any

import httpx

from deploy.demo.system import Addresses
from deploy.demo.telling import exchanged

WAIT_SECONDS = 30.0
LOOK_SECONDS = 0.1


class UnexpectedAnswer(RuntimeError):
    """A service did not answer as the story goes."""


class Person:
    """Somebody with a session."""

    def __init__(self, name: str, token: str) -> None:
        self.name = name
        self._http = httpx.AsyncClient(headers={"Authorization": f"Bearer {token}"}, timeout=20, trust_env=False)

    async def close(self) -> None:
        await self._http.aclose()

    async def get(self, url: str) -> Any:
        """Read something; quietly."""
        response = await self._http.get(url)
        if not response.is_success:
            raise UnexpectedAnswer(f"GET {url}: {response.status_code} {response.text}")
        return response.json()

    async def does(
        self, method: str, url: str, body: dict[str, Any] | None = None, *, shown: tuple[str, ...] = ()
    ) -> Any:
        """Do something that must succeed, and show it with the named parts of the answer."""
        response = await self._http.request(method, url, json=body)
        content = response.json() if response.content else {}
        exchanged(response, shown={name: content.get(name) for name in shown} if response.is_success else content)
        if not response.is_success:
            raise UnexpectedAnswer(f"{method} {url}: {response.status_code} {response.text}")
        return content

    async def awaits(self, url: str, state: str) -> Any:
        """Look at a request until it is in a state."""
        async with asyncio.timeout(WAIT_SECONDS):
            while True:
                response = await self._http.get(url)
                if response.is_success and response.json()["state"] == state:
                    return response.json()
                await asyncio.sleep(LOOK_SECONDS)


async def sign_in(at: Addresses, realm: str, email: str, name: str) -> Person:
    """Open a session with the demo's password."""
    async with httpx.AsyncClient(timeout=20, trust_env=False) as http:
        body = {"realm": realm, "email": email, "password": at.password}
        response = await http.post(f"{at.approval}/v1/sessions", json=body)
    if not response.is_success:
        raise UnexpectedAnswer(f"{email} could not sign in: {response.status_code} {response.text}")
    return Person(name, response.json()["access_token"])
