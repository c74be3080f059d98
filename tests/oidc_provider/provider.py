"""The certified OpenID provider from npm as a process on loopback, and the browser that people use with it."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import shutil
import subprocess
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx
from fastapi import FastAPI
from filelock import FileLock
from joserfc.jwk import ECKey, OKPKey, RSAKey

HERE = Path(__file__).parent
CACHE = HERE.parent.parent / ".lockbox" / "oidc-provider"
PORTAL = "http://lockbox.example"
CALLBACK = f"{PORTAL}/oidc/callback"
_FILES = ("package.json", "package-lock.json", "issuer.mjs")


class NotHere(Exception):
    """The provider cannot be had on this machine; the message says why."""


def installed() -> Path:
    """Install the provider as the lock file has it, once for each state of its files; give the folder. Raises NotHere."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        raise NotHere("node and npm are not installed")
    digest = hashlib.sha256(b"".join((HERE / name).read_bytes() for name in _FILES)).hexdigest()[:16]
    folder = CACHE / digest
    CACHE.mkdir(parents=True, exist_ok=True)
    with FileLock(CACHE / f"{digest}.lock"):
        done = folder / "installed"
        if not done.exists():
            folder.mkdir(exist_ok=True)
            for name in _FILES:
                shutil.copy(HERE / name, folder / name)
            command = ["npm", "ci", "--prefix", str(folder), "--ignore-scripts", "--no-audit", "--no-fund"]
            try:
                ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
            except subprocess.TimeoutExpired:
                raise NotHere("npm did not finish in two minutes") from None
            if ran.returncode:
                raise NotHere(f"npm cannot install the provider: {ran.stderr.strip()[-300:]}")
            done.touch()
    return folder


def signing_keys(kid: str) -> list[dict[str, Any]]:
    """Make a private key for each algorithm that is accepted, as a JWKS has them."""
    rsa, elliptic, edwards = RSAKey.generate_key(2048), ECKey.generate_key("P-256"), OKPKey.generate_key("Ed25519")
    return [
        {**key.as_dict(private=True), "kid": f"{kid}-{name}", "use": "sig"}
        for name, key in (("rsa", rsa), ("ec", elliptic), ("ed", edwards))
    ]


def client(name: str, algorithm: str = "RS256", **options: Any) -> dict[str, Any]:
    """Register us at the provider."""
    secret = {"client_secret": f"secret of {name}: +/%&"}
    if options.get("token_endpoint_auth_method") == "none":
        secret = {}
    return {
        "client_id": name,
        "redirect_uris": [CALLBACK],
        "response_types": ["code"],
        "grant_types": ["authorization_code"],
        "id_token_signed_response_alg": algorithm,
        **secret,
        **options,
    }


@dataclass
class Provider:
    """A provider that can be stopped, started with other keys, and told of other people."""

    folder: Path
    config_file: Path
    config: dict[str, Any]
    process: asyncio.subprocess.Process | None = None
    issuer: str = field(default="", init=False)

    def _write(self) -> None:
        self.config_file.write_text(json.dumps(self.config))

    async def start(self) -> None:
        self._write()
        self.process = await asyncio.create_subprocess_exec(
            "node",
            str(self.folder / "issuer.mjs"),
            str(self.config_file),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        assert self.process.stdout is not None
        line = await asyncio.wait_for(self.process.stdout.readline(), 20)
        self.issuer = json.loads(line)["issuer"]
        # The next start is at the same address: it is its name.
        self.config["port"] = urlsplit(self.issuer).port

    async def stop(self) -> None:
        if self.process is None:
            return
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()
        if self.process.stdin is not None:
            self.process.stdin.close()
        # What the loop keeps of the process goes with its pipes.
        await asyncio.sleep(0)
        self.process = None

    async def restart(self, **changes: Any) -> None:
        await self.stop()
        self.config |= changes
        await self.start()

    def put(self, account: str, **claims: Any) -> None:
        """Change what the provider says of somebody."""
        self.config["accounts"][account] = claims
        self._write()


@contextlib.asynccontextmanager
async def running(
    folder: Path, work: Path, clients: Sequence[Mapping[str, Any]], *, id_token_claims: bool = False
) -> AsyncIterator[Provider]:
    config = {
        "port": 0,
        "jwks": {"keys": signing_keys("first")},
        "clients": list(clients),
        "accounts": {},
        "id_token_claims": id_token_claims,
    }
    provider = Provider(folder, work / "issuer.json", config)
    try:
        await provider.start()
        yield provider
    finally:
        await provider.stop()


class _Form(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.action = ""
        self.fields: dict[str, str] = {}
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "form":
            self.action = given.get("action") or ""
        elif tag == "input" and given.get("name"):
            self.fields[str(given["name"])] = given.get("value") or ""


class Browser:
    """A browser with cookies of its own. The portal's pages come from the app in this process, all others over the network."""

    def __init__(self, app: FastAPI) -> None:
        self.http = httpx.AsyncClient(
            mounts={PORTAL: httpx.ASGITransport(app)}, trust_env=False, follow_redirects=False, timeout=20
        )
        self.seen: list[str] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.http.aclose()

    async def open(self, url: str, *, until: str | None = None) -> httpx.Response:
        """Open an address and follow where it leads; stop before an address that begins with `until`."""
        return await self._follow(await self.http.get(urljoin(PORTAL, url)), until)

    async def _follow(self, response: httpx.Response, until: str | None = None) -> httpx.Response:
        for _ in range(20):
            if not response.is_redirect:
                return response
            url = urljoin(str(response.url), response.headers["location"])
            self.seen.append(url)
            if until is not None and url.startswith(until):
                return response
            response = await self.http.get(url)
        raise AssertionError(f"it goes round in circles: {self.seen[-4:]}")

    async def submit(self, page: httpx.Response, *, until: str | None = None, **typed: str) -> httpx.Response:
        """Fill in the form of a page, and send it."""
        form = _Form(page.text)
        assert form.action, page.text
        sent = await self.http.post(urljoin(str(page.url), form.action), data=form.fields | typed)
        return await self._follow(sent, until)

    async def sign_in(
        self, issuer_id: str, account: str, *, next_path: str = "/v1/realms/x/issuers", until: str | None = None
    ) -> httpx.Response:
        """Go to the issuer, type in who one is where it asks, agree where it asks, and come back."""
        page = await self.open(f"/oidc/{issuer_id}/start?next={next_path}", until=until)
        while "<form" in page.text and not str(page.url).startswith(PORTAL):
            typed = {"login": account, "password": "any"} if 'name="login"' in page.text else {}
            page = await self.submit(page, until=until, **typed)
        return page

    @property
    def session(self) -> str | None:
        """The token in the cookie of the portal's session."""
        return self.http.cookies.get("lockbox_session", domain=urlsplit(PORTAL).hostname)


def query_of(url: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
