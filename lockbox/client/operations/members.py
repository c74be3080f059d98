"""People of a realm with their roles, and its machine clients."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from lockbox.client.calls import Call, Reply, as_, given, nothing, pages_of, path
from lockbox.client.groups import Group, Listing, Mode, Operation
from lockbox.client.operations.tenants import or_change
from lockbox.client.reading import Page, read
from lockbox.client.things.people import LinkSent, MachineClient, Member, NewMachineClient
from lockbox.client.things.tenants import Change


def _page(
    realm: str,
    *,
    text: str | None = None,
    role: str | None = None,
    cursor: str | None = None,
    limit: int | None = None,
) -> Call[Page[Member]]:
    """List the people of a realm (`provider` or a tenant); `text` is looked for in name and address."""
    query = given(q=text, role=role, cursor=cursor, limit=limit)
    return Call("GET", "approval", path("/v1/tenants/{}/members", realm), pages_of(Member), query=query)


def _add(
    realm: str,
    *,
    email: str,
    name: str,
    roles: Sequence[str] = (),
    employer: str | None = None,
    job_title: str | None = None,
    country: str | None = None,
) -> Call[Member | Change]:
    """Add somebody, who gets a one-time link. A Change comes back where it takes votes first."""
    body = given(email=email, name=name, roles=roles or None, employer=employer, job_title=job_title, country=country)
    where = path("/v1/tenants/{}/members", realm)
    return Call("POST", "approval", where, or_change(as_(Member)), body=body, keyed=True)


def _get(realm: str, email: str) -> Call[Member]:
    """Show somebody."""
    return Call("GET", "approval", path("/v1/tenants/{}/members/{}", realm, email), as_(Member))


def _remove(realm: str, email: str) -> Call[Change | None]:
    """Remove somebody; his sessions end at once."""
    return Call("DELETE", "approval", path("/v1/tenants/{}/members/{}", realm, email), or_change(nothing))


def _give_role(realm: str, email: str, role: str) -> Call[Member | Change]:
    """Give a role. A privileged one takes a fresh set-up by one-time link, and may take votes first (a Change)."""
    where = path("/v1/tenants/{}/members/{}/roles/{}", realm, email, role)
    return Call("PUT", "approval", where, or_change(as_(Member)))


def _take_role(realm: str, email: str, role: str) -> Call[Change | None]:
    """Take a role."""
    where = path("/v1/tenants/{}/members/{}/roles/{}", realm, email, role)
    return Call("DELETE", "approval", where, or_change(nothing))


def _link_or_change(reply: Reply) -> LinkSent | Change:
    said: Any = reply.json
    # Both are 202: a change is known by its state.
    if reply.status == HTTPStatus.ACCEPTED and isinstance(said, dict) and "state" in said:
        return read(Change, said)
    return read(LinkSent, said)


def _reset_password(realm: str, email: str) -> Call[LinkSent | Change]:
    """End somebody's password and sessions, and send him a one-time link."""
    where = path("/v1/tenants/{}/members/{}/password-reset", realm, email)
    return Call("POST", "approval", where, _link_or_change, keyed=True)


def _remove_factors(realm: str, email: str) -> Call[Change | None]:
    """Remove all second factors of somebody who lost them."""
    where = path("/v1/tenants/{}/members/{}/factors", realm, email)
    return Call("DELETE", "approval", where, or_change(nothing))


class Members(Group[Mode]):
    """People of a realm: `provider`, or a tenant."""

    list = Listing(_page)
    page = Operation(_page)
    add = Operation(_add)
    get = Operation(_get)
    remove = Operation(_remove)
    give_role = Operation(_give_role)
    take_role = Operation(_take_role)
    reset_password = Operation(_reset_password)
    remove_factors = Operation(_remove_factors)


def _clients(realm: str, *, cursor: str | None = None, limit: int | None = None) -> Call[Page[MachineClient]]:
    """List a realm's machine clients."""
    where = path("/v1/tenants/{}/clients", realm)
    return Call("GET", "approval", where, pages_of(MachineClient), query=given(cursor=cursor, limit=limit))


def _create_client(realm: str, name: str, scopes: Sequence[str] = ("audit:read",)) -> Call[NewMachineClient]:
    """Make a machine client; its secret is in this answer alone. Raises Conflict `already_made` where that answer was lost."""
    body = {"name": name, "scopes": list(scopes)}
    where = path("/v1/tenants/{}/clients", realm)
    return Call("POST", "approval", where, as_(NewMachineClient), body=body, keyed=True)


def _revoke_client(realm: str, client_id: str) -> Call[None]:
    """End a machine client."""
    return Call("DELETE", "approval", path("/v1/tenants/{}/clients/{}", realm, client_id), nothing)


class MachineClients(Group[Mode]):
    """A realm's machine clients."""

    list = Listing(_clients)
    page = Operation(_clients)
    create = Operation(_create_client)
    revoke = Operation(_revoke_client)
