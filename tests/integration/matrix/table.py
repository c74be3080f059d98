"""How a table of who may do what is written and read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from fastapi import FastAPI
from starlette.routing import Route

from tests.integration.matrix.people import EVERYBODY, PEOPLE

UNDESCRIBED: Final = frozenset({"GET /docs", "GET /openapi.json"})


@dataclass(frozen=True)
class Row:
    """A route and who gets what of it: `may` does it, `sees` is refused with 403, for all others it is not there (404).

    Without a token it is 401 for everybody, and for machines, unless `without_token` says that no session is asked for.
    `success` is what somebody who may is answered: any 2xx, or 422 where the call goes no further than the check of its input.
    `stage` names what is prepared anew for each who may, and once for all who may not: the values in the path and the body.
    `case` tells several rows of one route apart.
    """

    route: str
    stage: str = "nothing"
    may: str = ""
    sees: str = ""
    case: str = ""
    without_token: bool = False
    success: tuple[int, ...] = (200, 201, 202, 204)

    @property
    def name(self) -> str:
        return f"{self.route} {self.case}".strip()

    @property
    def method(self) -> str:
        return self.route.partition(" ")[0]

    @property
    def path(self) -> str:
        return self.route.partition(" ")[2]

    @property
    def allowed(self) -> list[str]:
        return self.may.split()

    def refusals(self) -> dict[str, int]:
        """Give everybody who may not, with what he is answered."""
        may, sees = set(self.may.split()), set(self.sees.split())
        if unknown := (may | sees) - set(PEOPLE):
            raise ValueError(f"{self.name}: nobody is called {unknown}")
        if both := may & sees:
            raise ValueError(f"{self.name}: {both} may and may not")
        return {who: 403 if who in sees else 404 for who in EVERYBODY.split() if who not in may}


def routes_of(app: FastAPI) -> set[str]:
    """Every route of a service as "METHOD /path".

    Left out are the portal's pages, which are clients of these routes with the session of whoever reads them, and the
    documentation.
    """
    found = {
        f"{method} {route.path}"
        for route in app.routes
        if isinstance(route, Route) and type(route).__name__ != "PageRoute"
        for method in (route.methods or set()) - {"HEAD"}
    }
    return found - UNDESCRIBED


def routes_in(rows: Iterable[Row]) -> set[str]:
    return {row.route for row in rows}
