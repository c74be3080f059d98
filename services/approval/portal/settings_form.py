"""A tenant's settings as a form: from the API's JSON to fields that people fill in, and back; and what differs between two."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from services.approval.words import N_
from shared.web.fields import format_duration, parse_duration

# As people say them; the largest that divides a duration evenly is the one that is shown.
UNITS: Final[Mapping[str, timedelta]] = {
    "days": timedelta(days=1),
    "hours": timedelta(hours=1),
    "minutes": timedelta(minutes=1),
    "seconds": timedelta(seconds=1),
}
EMPTY_REMINDERS: Final = 2
_MOST: Final = 10_000_000
# In the order of the page.
ORDER: Final = (
    "enabled",
    "approvals_required",
    "second_factor",
    "decision_window",
    "max_duration",
    "services",
    "notify",
    "reminders",
    "links_in_mail",
    "sinks",
)
_STRENGTH: Final = ("off", "any", "passkey")
NOT_A_NUMBER: Final = N_("Write a whole number above zero, like 12.")


@dataclass(frozen=True, slots=True)
class Difference:
    """One setting in which two versions differ. Of lists, what was added and what was removed."""

    field: str
    before: Any = None
    after: Any = None
    added: Sequence[Any] = ()
    removed: Sequence[Any] = ()
    weakens: bool = False


def fill_in(settings: Mapping[str, Any]) -> dict[str, str]:
    """Give the form's fields for settings as the API gave them."""
    fields = {
        "version": str(settings["version"]),
        "enabled": "on" if settings["enabled"] else "off",
        "approvals_required": str(settings["approvals_required"]),
        "second_factor": settings["second_factor"],
        "notify": "\n".join(settings["notify"]),
        "links_in_mail": "on" if settings["links_in_mail"] else "off",
    }
    for name in ("decision_window", "max_duration"):
        fields[name], fields[f"{name}_unit"] = spoken(settings[name])
    for service in settings["services"]:
        fields[f"services.{service}"] = "on"
    for position, reminder in enumerate(settings["reminders"]):
        fields[f"reminders.{position}.left"], fields[f"reminders.{position}.unit"] = spoken(reminder["left"])
        fields[f"reminders.{position}.to"] = reminder["to"]
    return fields


def read(
    fields: Mapping[str, str], *, sinks: Sequence[Mapping[str, str]]
) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """Read a form that was sent: the body of the API's PUT, and what is wrong with its fields. `sinks` are kept as they are.

    Only what the API could not be told is judged here: the rest is the API's to judge.
    """
    errors: list[tuple[str, str]] = []
    body: dict[str, Any] = {
        "version": _number(fields, "version", errors),
        "enabled": fields.get("enabled") == "on",
        "approvals_required": _number(fields, "approvals_required", errors),
        "second_factor": fields.get("second_factor", "off"),
        "services": [name.partition(".")[2] for name in fields if name.startswith("services.")],
        "notify": fields.get("notify", "").replace(",", " ").replace(";", " ").split(),
        "links_in_mail": fields.get("links_in_mail") == "on",
        "sinks": list(sinks),
    }
    for name in ("decision_window", "max_duration"):
        body[name] = _duration(fields, name, f"{name}_unit", errors)
    body["reminders"] = [
        {
            "left": _duration(fields, f"reminders.{position}.left", f"reminders.{position}.unit", errors),
            "to": fields.get(f"reminders.{position}.to", "approvers"),
        }
        for position in reminder_positions(fields)
    ]
    return body, errors


def reminder_positions(fields: Mapping[str, str]) -> list[int]:
    """Give the rows of reminders that hold one; a row without a time is none."""
    named = (name.split(".") for name in fields if name.startswith("reminders.") and name.endswith(".left"))
    positions = sorted(int(parts[1]) for parts in named if len(parts) == 3 and parts[1].isdecimal())  # noqa: PLR2004
    return [position for position in positions if fields[f"reminders.{position}.left"].strip()]


def at_field(field: str, fields: Mapping[str, str]) -> str:
    """Say at which field of the form an error of the API's belongs."""
    name, _, rest = field.partition(".")
    if name == "reminders" and rest:
        kept = reminder_positions(fields)
        position = rest.partition(".")[0]
        if position.isdecimal() and int(position) < len(kept):
            return f"reminders.{kept[int(position)]}.left"
    return name


def spoken(duration: str) -> tuple[str, str]:
    """Give a duration as a number and its unit: PT90M is 90 minutes, PT12H is 12 hours."""
    length = parse_duration(duration)
    for unit, one in UNITS.items():
        if not length % one:
            return str(length // one), unit
    raise ValueError("durations are in whole seconds")


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Difference]:
    """Compare two settings, in the order of the page."""
    found = []
    for name in ORDER:
        was, now = before.get(name), after.get(name)
        if isinstance(was, list) and isinstance(now, list):
            added, removed = [one for one in now if one not in was], [one for one in was if one not in now]
            if added or removed:
                found.append(Difference(name, added=added, removed=removed, weakens=_weakens(name, was, now)))
        elif was != now:
            found.append(Difference(name, was, now, weakens=_weakens(name, was, now)))
    return found


def proposed(changes: Mapping[str, Mapping[str, Any]]) -> list[Difference]:
    """Give what a proposed change would change, in the order of the page."""
    known = [name for name in ORDER if name in changes]
    found = []
    for name in (*known, *(name for name in changes if name not in known)):
        one = changes[name]
        added, removed = one.get("added") or (), one.get("removed") or ()
        if added or removed:
            found.append(Difference(name, added=added, removed=removed, weakens=_weakens(name, removed, ())))
        else:
            before, after = one.get("before"), one.get("after")
            found.append(Difference(name, before, after, weakens=_weakens(name, before, after)))
    return found


def _weakens(name: str, was: Any, now: Any) -> bool:
    match name:
        case "enabled":
            return bool(was) and not now
        case "approvals_required":
            return int(now) < int(was)
        case "second_factor":
            return _STRENGTH.index(now) < _STRENGTH.index(was)
        case "decision_window" | "max_duration":
            return parse_duration(now) > parse_duration(was)
        case "services":
            return not set(was) <= set(now)
        case _:
            return False


def _number(fields: Mapping[str, str], name: str, errors: list[tuple[str, str]]) -> int:
    text = fields.get(name, "").strip()
    if not text.isdecimal() or not 0 < int(text[:10]) <= _MOST or len(text) > len(str(_MOST)):
        errors.append((name, NOT_A_NUMBER))
        return 1
    return int(text)


def _duration(fields: Mapping[str, str], name: str, unit: str, errors: list[tuple[str, str]]) -> str:
    one = UNITS.get(fields.get(unit, ""), UNITS["hours"])
    return format_duration(_number(fields, name, errors) * one)
