"""Every setting of Lockbox: its name, meaning, default, and who reads it. Read once, at the start, and never changed.

`python -m shared.settings` prints the table that stands in `docs/reference/settings.md`.
"""

import difflib
import os
import sys
import tomllib
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Any, Final, Literal, cast

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, InitSettingsSource, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from shared.setting_kinds import address, json_list, long_secret, lower_case, networks, origin
from shared.web.fields import Duration, Operation, format_duration
from shared.web.wording import in_words

PREFIX: Final = "LOCKBOX_"
FROM_FILE: Final = "_FILE"
TOKEN_SIGNERS: Final = frozenset({"request_api", "approval"})
SERVICES: Final = ("request_api", "approval", "audit", "notifier", "expiry")
_FIRST_PORT: Final = 8000
_ALL: Final = "all services"
_UP: Final = "`lockbox up`"
_TESTS: Final = "tests"


class SettingsError(ValueError):
    """A setting is wrong, unknown or missing. The message is one line that names it and the remedy."""


def _from(meaning: str, *readers: str, **options: Any) -> Any:
    """Declare a setting with its meaning and its readers."""
    return Field(description=meaning, json_schema_extra={"readers": list(readers)}, **options)


class CoveredService(BaseModel):
    """A service of the provider for which access can be asked, and the parts of it for which it cannot."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: Operation
    name: str = Field(min_length=1, max_length=100)
    excludes: tuple[Operation, ...] = ()


CATALOGUE: Final = (
    CoveredService(id="exchange-online", name="Exchange Online"),
    CoveredService(id="sharepoint-online", name="SharePoint Online"),
    CoveredService(id="onedrive-for-business", name="OneDrive for Business"),
    CoveredService(
        id="skype-for-business", name="Skype for Business", excludes=("meeting-recordings", "meeting-uploads")
    ),
)


HttpAddress = Annotated[str, address("http", "https")]


class Settings(BaseSettings):
    """The settings as a process has them. Secrets are `SecretStr`: `.get_secret_value()` where they are used."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_ignore_empty=True,
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        validate_default=False,
    )

    database_url: Annotated[SecretStr, address("postgresql", "postgres")] = _from(
        "The service's own database and login role, `postgresql://ROLE:PASSWORD@HOST:PORT/DATABASE`. For `lockbox up`: an "
        "administrator's address, in place of the embedded PostgreSQL.",
        _ALL,
        _UP,
    )
    database_pool: int = _from("Connections to the database at most.", _ALL, default=10, ge=2, le=500)
    amqp_url: Annotated[SecretStr, address("amqp", "amqps")] = _from(
        "RabbitMQ, with the service's own user and virtual host, `amqp://USER:PASSWORD@HOST:PORT/lockbox`. For "
        "`lockbox up` and the tests: an administrator's address, in place of a private node.",
        _ALL,
        _UP,
        _TESTS,
    )
    amqp_management_url: Annotated[SecretStr, address("http", "https")] | None = _from(
        "RabbitMQ's management address with an administrator's name and password; goes with `LOCKBOX_AMQP_URL`. Users, "
        "virtual hosts and rights are made through it.",
        _UP,
        _TESTS,
        default=None,
    )
    rabbitmq_root: Path | None = _from(
        "The folder of an unpacked Debian system whose RabbitMQ is started in place of the installed one.",
        _UP,
        _TESTS,
        default=None,
    )
    host: str = _from("The address on which HTTP listens.", _ALL, default="127.0.0.1", min_length=1)
    port: int = _from(
        "The port on which HTTP listens. Default: request_api 8000, approval 8001, audit 8002, notifier 8003, expiry 8004.",
        _ALL,
        default=_FIRST_PORT,
        ge=1,
        le=65_535,
    )
    request_api_url: HttpAddress = _from(
        "Where `request_api` answers.", "approval", "audit", default="http://127.0.0.1:8000"
    )
    approval_url: HttpAddress = _from(
        "Where `approval` answers, and where links in mails lead.",
        "request_api",
        "audit",
        "notifier",
        default="http://127.0.0.1:8001",
    )
    portal_url: HttpAddress | None = _from(
        "Where people reach the portal in their browsers, where links in mails lead, and the site to which passkeys are bound "
        "(a name, not an IP address). Else `LOCKBOX_APPROVAL_URL`.",
        "approval",
        "notifier",
        default=None,
    )
    trusted_proxies: Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode, BeforeValidator(networks)] = _from(
        "Networks of reverse proxies whose `X-Forwarded-For` is believed, CIDR, separated by commas. Without, the address "
        "of a caller is that of his connection.",
        "approval",
        default=(),
    )
    audit_url: HttpAddress = _from("Where `audit` answers.", "request_api", "approval", default="http://127.0.0.1:8002")
    token_key_file: Path | None = _from(
        "The private key that signs tokens: Ed25519, PEM, mode 0600. `approval` signs sessions, `request_api` grant "
        "tokens, each with a key of its own.",
        "request_api",
        "approval",
        default=None,
    )
    internal_secret: Annotated[SecretStr, AfterValidator(long_secret)] = _from(
        "The credential of calls between services, the same for all five; at least 32 characters.", _ALL
    )
    session_lifetime: Duration = _from(
        "How long a session's token is valid.", "approval", default=timedelta(hours=1), le=timedelta(hours=12)
    )
    link_lifetime: Duration = _from(
        "How long a one-time link is good for.", "approval", default=timedelta(days=3), le=timedelta(days=30)
    )
    smtp_url: Annotated[str, address("smtp", "smtps")] = _from(
        "The mail server, `smtp://HOST:PORT` or, for TLS from the first byte, `smtps://HOST:PORT`.",
        "notifier",
        "approval",
        default="smtp://127.0.0.1:25",
    )
    smtp_starttls: Annotated[Literal["auto", "required", "off"], BeforeValidator(lower_case)] = _from(
        "Whether mail is sent under STARTTLS: `auto` (where the server offers it), `required` or `off`.",
        "notifier",
        "approval",
        default="auto",
    )
    smtp_user: str | None = _from(
        "The name with which the mail server is signed in to.", "notifier", "approval", default=None
    )
    smtp_password: SecretStr | None = _from("The password that goes with it.", "notifier", "approval", default=None)
    mail_from: str = _from(
        "The sender of mails.",
        "notifier",
        "approval",
        default="Lockbox <lockbox@localhost>",
        pattern=r"^[^\r\n]*@[^\r\n]*$",
    )
    log_origin: Annotated[str, AfterValidator(origin)] | None = _from(
        "The name of the log, independent of addresses; a tenant's log is `ORIGIN/t/TENANT`. Else one is chosen at the "
        "first start, and kept.",
        "audit",
        _UP,
        default=None,
    )
    min_decision_window: Duration = _from(
        "The shortest decision window that a tenant may set.", "approval", default=timedelta(minutes=15)
    )
    gate_staleness: Duration = _from(
        "How old the newest word of `approval` may be before every action is refused.",
        "request_api",
        default=timedelta(seconds=5),
    )
    outbound_allow: Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode, BeforeValidator(networks)] = _from(
        "Private networks that outgoing calls may reach, CIDR, separated by commas.", "approval", "audit", default=()
    )
    catalogue: Annotated[tuple[CoveredService, ...], NoDecode, BeforeValidator(json_list)] = _from(
        "The services covered: in the TOML file a table `[[catalogue]]` for each, with `id`, `name` and `excludes`; in the "
        "environment the same as a JSON list.",
        "request_api",
        "approval",
        default=CATALOGUE,
        min_length=1,
    )
    log_level: Annotated[Literal["debug", "info", "warning", "error"], BeforeValidator(lower_case)] = _from(
        "Which log lines are written: `debug`, `info`, `warning` or `error`, and what is graver.", _ALL, default="info"
    )
    demo: bool = _from("Whether this is a demonstration: every page says so.", _ALL, default=False)
    demo_password: SecretStr | None = _from(
        "The password of the demonstration's people; else a random one is made and printed.", _UP, default=None
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - No .env file is read.
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - Ours name each file.
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read, the first that has a value counting: arguments, environment, files of secrets, the TOML file."""
        secrets = {
            name: _contents(f"{PREFIX}{name.upper()}{FROM_FILE}", path)
            for name in secret_names()
            if (path := os.environ.get(f"{PREFIX}{name.upper()}{FROM_FILE}"))
        }
        return (
            init_settings,
            env_settings,
            InitSettingsSource(settings_cls, secrets),
            InitSettingsSource(settings_cls, _toml()),
        )


def portal_of(settings: Settings) -> str:
    """Give the address at which people reach the portal."""
    return settings.portal_url or settings.approval_url


def variable(field: str) -> str:
    """Give the environment variable of a field."""
    return f"{PREFIX}{field.upper()}"


def _is_secret(field: FieldInfo) -> bool:
    return "SecretStr" in str(field.annotation)


def secret_names() -> list[str]:
    """Give the fields that can also come from a file, named by `LOCKBOX_..._FILE`."""
    return [name for name, field in Settings.model_fields.items() if _is_secret(field)]


def known_names() -> list[str]:
    """Give every environment variable that Lockbox knows."""
    plain = [variable(name) for name in Settings.model_fields]
    return [f"{PREFIX}CONFIG", *plain, *(variable(name) + FROM_FILE for name in secret_names())]


def _contents(name: str, path: str) -> str:
    try:
        text = Path(path).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise SettingsError(
            f"{name}: {path} cannot be read ({error.strerror}): correct the path or its rights"
        ) from None
    except UnicodeDecodeError:
        raise SettingsError(f"{name}: {path} is not UTF-8 text: write the secret into it as text") from None
    if not text:
        raise SettingsError(f"{name}: {path} is empty: write the secret into it")
    return text


def _toml() -> dict[str, Any]:
    """Read the file that LOCKBOX_CONFIG names: the fields in lower case, without the prefix."""
    path = os.environ.get(f"{PREFIX}CONFIG")
    if not path:
        return {}
    text = _contents(f"{PREFIX}CONFIG", path)
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{PREFIX}CONFIG: {path} is not TOML: {error}") from None
    secrets = {name + FROM_FILE.lower(): name for name in secret_names()}
    known = [*Settings.model_fields, *secrets]
    for name in list(values):
        if name not in known:
            raise SettingsError(f"{name} in {path} is not a setting{_meant(name, known)}")
        if name in secrets:
            values.setdefault(secrets[name], _contents(f"{name} in {path}", values.pop(name)))
    return values


def _meant(name: str, known: list[str]) -> str:
    # The prefix that all names share would make any two of them look alike.
    near = difflib.get_close_matches(name.removeprefix(PREFIX), [one.removeprefix(PREFIX) for one in known], 1)
    if not near:
        return ": remove it (docs/reference/settings.md lists them all)"
    return f": did you mean {PREFIX if name.startswith(PREFIX) else ''}{near[0]}?"


def check_names() -> None:
    """Refuse environment variables of ours that nobody reads. Raises SettingsError; `lockbox up` does it too."""
    known = known_names()
    for name in sorted(os.environ):
        if name.startswith(PREFIX) and name.upper() not in known:
            raise SettingsError(f"{name} is not a setting{_meant(name, known)}")
    for field in secret_names():
        name = variable(field)
        if os.environ.get(name) and os.environ.get(name + FROM_FILE):
            raise SettingsError(f"{name} and {name}{FROM_FILE} are both set: set one of them")


def _say(error: ValidationError) -> str:
    """Put the first error into one line; say how many more there are."""
    reports = error.errors(include_url=False, include_input=False)
    first, *more = reports
    field = str(first["loc"][0])
    within = ".".join(
        str(part) for part in first["loc"][1:] if isinstance(part, int) or part in CoveredService.model_fields
    )
    name = variable(field) + (f" ({within})" if within else "")
    if first["type"] == "missing":
        said = f"{name} is required: {Settings.model_fields[field].description}"
    else:
        said = f"{name} {in_words(first)}"
    others = ", ".join(sorted({variable(str(report["loc"][0])) for report in more} - {variable(field)}))
    return said + (f" (wrong or missing too: {others})" if others else "")


def read_settings(service: str) -> Settings:
    """Read the settings of a service from the environment and from the file that LOCKBOX_CONFIG names.

    Raises SettingsError. Names that only other services read are accepted, and checked as strictly.
    """
    check_names()
    try:
        settings = Settings()
    except ValidationError as error:
        raise SettingsError(_say(error)) from None
    if "port" not in settings.model_fields_set:
        settings = settings.model_copy(update={"port": _FIRST_PORT + SERVICES.index(service)})
    if service in TOKEN_SIGNERS and settings.token_key_file is None:
        meaning = Settings.model_fields["token_key_file"].description
        raise SettingsError(f"{variable('token_key_file')} is required: {meaning}")
    return settings


def load_settings(service: str) -> Settings:
    """Read the settings of a service at its start.

    A setting that is wrong, unknown or missing ends the process: exit code 2, one line on stderr that names the remedy.
    """
    try:
        return read_settings(service)
    except SettingsError as error:
        sys.stderr.write(f"{service}: {' '.join(str(error).split())}\n")
        raise SystemExit(2) from None


def _shown(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.default
    if value is None or value == ():
        return "none"
    if isinstance(value, timedelta):
        return f"`{format_duration(value)}`"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple):
        return "; ".join(
            f"`{one.id}`" + (f" without {' and '.join(f'`{part}`' for part in one.excludes)}" if one.excludes else "")
            for one in value
        )
    return f"`{value}`"


def table() -> str:
    """Write all settings as a document in Markdown."""
    lines = [
        "# Settings",
        "",
        "Environment variables, or the same names in lower case and without `LOCKBOX_` in a TOML file named by",
        "`LOCKBOX_CONFIG`; the environment counts first. Names with * hold a secret: the same name with `_FILE` names a file",
        "that holds it. A wrong or unknown name is an error at the start. Durations are ISO 8601 (`PT15M`).",
        "",
        "This table is generated: `python -m shared.settings > docs/reference/settings.md`.",
        "",
        "| name | meaning | default | read by |",
        "| --- | --- | --- | --- |",
        f"| `{PREFIX}CONFIG` | The TOML file with settings. | none | {_ALL}, {_UP} |",
    ]
    for name, field in sorted(Settings.model_fields.items()):
        extra = field.json_schema_extra
        assert isinstance(extra, dict)
        readers = ", ".join(str(reader) for reader in cast("list[str]", extra["readers"]))
        star = " *" if _is_secret(field) else ""
        lines.append(f"| `{variable(name)}`{star} | {field.description} | {_shown(field)} | {readers} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(table())
