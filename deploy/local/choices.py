"""What the caller of `lockbox up` chose, with flags and with settings, checked before anything is started."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import SecretStr, ValidationError

from deploy.local.process import StartError
from shared.settings import Settings, SettingsError, check_names, variable
from shared.web.wording import in_words

PORTS = ("request_api", "approval", "audit", "notifier", "expiry", "mail")
DEFINITIONS = "deploy/rabbitmq/definitions.json"


class UpSettings(Settings):
    """The settings that `up` reads; what a service must be given, `up` makes itself."""

    database_url: SecretStr | None = None  # type: ignore[assignment]  # required of a service alone
    amqp_url: SecretStr | None = None  # type: ignore[assignment]  # required of a service alone
    internal_secret: SecretStr | None = None  # type: ignore[assignment]  # required of a service alone


@dataclass(frozen=True)
class Choices:
    """`database_url` and `amqp_url` with `management_url` are administrators' addresses of servers of one's own, if any."""

    data: Path
    port_base: int = 8000
    demo: bool = False
    database_url: str | None = None
    amqp_url: str | None = None
    management_url: str | None = None
    rabbitmq_root: Path | None = None
    log_origin: str | None = None
    demo_password: str | None = None
    # The folder of the services' packages: another one only in tests of the supervisor itself.
    package: str = "services"

    def port(self, name: str) -> int:
        return self.port_base + PORTS.index(name)

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.port(name)}"


def choose(*, data: Path, port_base: int, demo: bool, database_url: str | None, amqp_url: str | None) -> Choices:
    """Put flags and settings together; raise StartError, in one line, where they don't go together."""
    settings = _settings()
    database_url = database_url or _revealed(settings.database_url)
    amqp_url = amqp_url or _revealed(settings.amqp_url)
    management_url = _revealed(settings.amqp_management_url)
    if demo and (database_url or amqp_url):
        raise StartError("--demo makes people with known passwords, so it never uses a database or broker of one's own")
    _check_scheme("--database-url", database_url, ("postgresql", "postgres"))
    _check_scheme("--amqp-url", amqp_url, ("amqp", "amqps"))
    if amqp_url and not management_url:
        raise StartError(
            f"LOCKBOX_AMQP_URL needs {variable('amqp_management_url')} beside it, through which users and rights are made "
            f"(to make them by hand, see {DEFINITIONS})",
        )
    return Choices(
        data=data,
        port_base=port_base,
        demo=demo,
        database_url=database_url,
        amqp_url=amqp_url,
        management_url=management_url if amqp_url else None,
        rabbitmq_root=settings.rabbitmq_root,
        log_origin=settings.log_origin,
        demo_password=_revealed(settings.demo_password),
    )


def _settings() -> UpSettings:
    try:
        check_names()
        return UpSettings()
    except SettingsError as error:
        raise StartError(" ".join(str(error).split())) from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise StartError(f"{variable(str(first['loc'][0]))} {in_words(first)}") from None


def _check_scheme(name: str, url: str | None, schemes: tuple[str, ...]) -> None:
    if url is not None and urlsplit(url).scheme not in schemes:
        raise StartError(f"{name} must begin with {' or '.join(f'{scheme}://' for scheme in schemes)}")


def _revealed(secret: SecretStr | None) -> str | None:
    return secret.get_secret_value() if secret else None


def passed_on() -> dict[str, str]:
    """Give the caller's settings that every service gets too; paths become absolute, for a service runs elsewhere."""
    ours = ("database_url", "amqp_url", "amqp_management_url", "rabbitmq_root", "demo", "demo_password", "log_origin")
    made = ("host", "port", "request_api_url", "approval_url", "audit_url", "token_key_file", "internal_secret")
    kept_back = {name for field in (*ours, *made) for name in (variable(field), f"{variable(field)}_FILE")}
    chosen = {}
    for name, value in os.environ.items():
        if name.startswith("LOCKBOX_") and name not in kept_back:
            is_path = name.endswith("_FILE") or name == "LOCKBOX_CONFIG"
            chosen[name] = str(Path(value).resolve()) if is_path and value else value
    return chosen
