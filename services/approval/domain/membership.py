"""Who belongs to a realm and which roles he has there: who changes that, and what must remain."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from services.approval.domain.people import (
    PRIVILEGED_ROLES,
    PROVIDER_ROLES,
    TENANT_ROLES,
    Member,
)
from services.approval.domain.refusals import Forbidden, Invalid, Refused
from shared.events.envelope import PROVIDER

# The group of those who decide is best kept small.
MANY: Final = 10
_MANAGED_BY: Final = "Members are managed by a global_admin or user_admin of the tenant."
_PRIVILEGED_BY: Final = "Whoever has a privileged role is managed by a global_admin alone."
_ASSIGNED_BY: Final = "Roles are assigned by a global_admin of the tenant."
_OPERATED_BY: Final = "The provider's people and their roles are managed by its operators."


@dataclass(frozen=True, slots=True)
class Holder:
    """Somebody with a role that must not die out. `able`: he has set up how he signs in."""

    id: str
    able: bool


def admin_role(realm: str) -> str:
    """Name the role that assigns roles in a realm."""
    return "operator" if realm == PROVIDER else "global_admin"


def known_roles(realm: str) -> frozenset[str]:
    return PROVIDER_ROLES if realm == PROVIDER else TENANT_ROLES


def check_roles(realm: str, roles: Collection[str], field: str) -> None:
    """Refuse roles that the realm does not know: 422 `unknown_role`."""
    for position, role in enumerate(roles):
        if role not in known_roles(realm):
            names = ", ".join(sorted(known_roles(realm)))
            here = field if field == "role" else f"{field}.{position}"
            raise Invalid((here, f"must be a role of this realm: {names}"), code="unknown_role")


def may_assign(by: Member, realm: str) -> None:
    """Refuse everybody who may not give and take roles."""
    if by.realm != realm or admin_role(realm) not in by.roles:
        raise Forbidden(_OPERATED_BY if realm == PROVIDER else _ASSIGNED_BY)


def may_manage(by: Member, realm: str) -> None:
    """Refuse everybody who may manage nobody here."""
    if realm == PROVIDER:
        may_assign(by, realm)
    elif by.realm != realm or by.roles.isdisjoint({"global_admin", "user_admin"}):
        raise Forbidden(_MANAGED_BY)


def may_manage_him(by: Member, him: Member) -> None:
    """Refuse everybody who may not manage this member."""
    may_manage(by, him.realm)
    if him.is_privileged and "global_admin" not in by.roles:
        raise Forbidden(_PRIVILEGED_BY)


# Who sees which machines have credentials.
CLIENT_READERS: Final = frozenset({"global_admin", "operator", "lockbox_approver", "auditor"})


def may_keep_clients(by: Member, realm: str) -> None:
    """Refuse everybody who may not make and end machines' credentials."""
    if by.realm != realm or admin_role(realm) not in by.roles:
        who = "the provider's operators" if realm == PROVIDER else "a global_admin of the tenant"
        raise Forbidden(f"Clients are made and ended by {who}.")


def check_admin_leaves(him: Member, admins: Sequence[Holder]) -> None:
    """Refuse that the last one goes, or loses the role, who gives and takes the realm's roles. `admins` are all of those.

    A tenant's must have set up how he signs in: nobody else could ever let its people in again. Raises Refused.
    """
    admin = admin_role(him.realm)
    if admin not in him.roles:
        return
    if him.realm == PROVIDER and all(one.id == him.id for one in admins):
        raise Refused("last_operator", "This is the last operator: make somebody else one first.")
    if is_last_admin(him, admins):
        raise Refused(
            "last_global_admin",
            "This is the last global_admin who has set up his account: have somebody else be one first.",
        )


def check_enough(deciders: int, approvals_required: int) -> None:
    """Refuse that fewer people are left who may decide than a decision takes. Raises Refused."""
    if deciders < approvals_required:
        raise Refused(
            "too_few_approvers",
            f"{approvals_required} approvals are required, and {deciders} would be left who may decide: add an approver, "
            "or require fewer approvals, first.",
        )


def is_last_admin(him: Member, admins: Sequence[Holder]) -> bool:
    """Say whether nobody else could let a tenant's people in again."""
    mine = him.realm != PROVIDER and "global_admin" in him.roles
    return mine and not any(one.able for one in admins if one.id != him.id)


def check_way_back(*, has_codes: bool) -> None:
    """Refuse that a tenant's last admin forgets his own password where a lost mail would lock all of its people out.

    Raises Refused.
    """
    if not has_codes:
        raise Refused(
            "last_global_admin",
            "You are the last global_admin who has set up his account: change your password in your account, or have "
            "recovery codes made there first.",
        )


def starts_anew(role: str, *, by_himself: bool) -> bool:
    """Say whether whoever is given a role sets up anew: with every privileged one, also where he had another before.

    Who gives himself a role has just shown, by the one he gives it with, that the account is his.
    """
    return role in PRIVILEGED_ROLES and not by_himself


def warnings(deciders: int) -> list[str]:
    """Say what is allowed and not wise."""
    if deciders <= MANY:
        return []
    return [f"{deciders} people may decide on requests: keep the group small, at most {MANY}."]
