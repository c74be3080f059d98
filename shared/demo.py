"""The demo's people and tenants: made by approval, awaited by every service before it says that it is ready."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DemoPerson:
    email: str
    name: str
    roles: tuple[str, ...]
    employer: str | None = None
    job_title: str | None = None
    country: str | None = None


PROVIDER_PEOPLE = (
    DemoPerson("eve@provider.example", "Eve Engel", ("engineer",), "Provider Ltd", "Support engineer", "IE"),
    DemoPerson("erin@provider.example", "Erin Ekholm", ("engineer",), "Contractor GmbH", "Escalation engineer", "DE"),
    DemoPerson("max@provider.example", "Max Moreau", ("manager",), "Provider Ltd", "Support manager", "IE"),
    DemoPerson("ada@provider.example", "Ada Andersson", ("auditor",), "Provider Ltd", "Internal auditor", "SE"),
    DemoPerson("otto@provider.example", "Otto Orsini", ("operator",), "Provider Ltd", "Operator", "IT"),
)

TENANTS = {"contoso": "Contoso", "fabrikam": "Fabrikam"}


def tenant_people(tenant: str) -> tuple[DemoPerson, ...]:
    """Return a demo tenant's people: one for each role, and one without any."""
    company = TENANTS[tenant]
    return (
        DemoPerson(f"admin@{tenant}.example", f"Alex Adler ({company})", ("global_admin",)),
        DemoPerson(f"dpo@{tenant}.example", f"Dana Dupont ({company})", ("lockbox_approver",)),
        DemoPerson(f"helpdesk@{tenant}.example", f"Hugo Hart ({company})", ("user_admin",)),
        DemoPerson(f"auditor@{tenant}.example", f"Aiko Abe ({company})", ("auditor",)),
        DemoPerson(f"user@{tenant}.example", f"Uma Udo ({company})", ()),
    )


def everybody() -> list[tuple[str, DemoPerson]]:
    """Return every person of the demo with his realm."""
    people = [("provider", person) for person in PROVIDER_PEOPLE]
    return people + [(tenant, person) for tenant in TENANTS for person in tenant_people(tenant)]
