"""Writes the documents that are generated from the code, or with --check says which of them are not as the code is."""

import json
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import yaml
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from shared import settings as settings_module
from shared.events.catalogue import CATALOGUE, SERVICES
from shared.messaging.documents import asyncapi
from shared.messaging.subscriptions import CONSUMES
from shared.messaging.topology import definitions
from shared.settings import Settings
from shared.web.app import openapi

ROOT = Path(__file__).resolve().parent.parent
REFERENCE = ROOT / "docs" / "reference"


def _openapi(service: str) -> Callable[[], str]:
    def make() -> str:
        key = ROOT / ".lockbox" / "documents-key.pem"
        key.parent.mkdir(exist_ok=True)
        key.write_bytes(Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        key.chmod(0o600)
        try:
            made = Settings(
                database_url="postgresql://localhost/nowhere",
                amqp_url="amqp://localhost/nowhere",
                internal_secret="only-for-the-documents-never-served",  # noqa: S106 - nothing listens
                token_key_file=key,
                log_origin="lockbox.example",
            )
            app = import_module(f"services.{service}.app").build(made)
        finally:
            key.unlink()
        return json.dumps(openapi(app), indent=2, ensure_ascii=False) + "\n"

    return make


def _asyncapi() -> str:
    return str(yaml.safe_dump(asyncapi(), sort_keys=False, allow_unicode=True, width=120))


def _events() -> str:
    lines = [
        "# Events",
        "",
        "Every event type, its one owner, who hears of it, and what it means. Generated from `shared/events/catalogue.py`; the",
        "shape of each stands in `asyncapi.yaml` beside this file.",
        "",
        "| type | owner | consumers | meaning |",
        "| --- | --- | --- | --- |",
    ]
    for kind in CATALOGUE.values():
        consumers = ", ".join(service for service in SERVICES if kind.type in CONSUMES[service])
        meaning = " ".join((kind.data.__doc__ or "").split()).replace("|", "\\|")
        lines.append(f"| `{kind.type}` | {kind.owner} | {consumers} | {meaning} |")
    return "\n".join(lines) + "\n"


def _definitions() -> str:
    return json.dumps(definitions(), indent=2) + "\n"


DOCUMENTS: dict[Path, Callable[[], str]] = {
    **{REFERENCE / f"openapi-{service}.json": _openapi(service) for service in ("request_api", "approval", "audit")},
    REFERENCE / "asyncapi.yaml": _asyncapi,
    REFERENCE / "events.md": _events,
    REFERENCE / "settings.md": settings_module.table,
    ROOT / "deploy" / "rabbitmq" / "definitions.json": _definitions,
}


def main(arguments: list[str]) -> int:
    """Write or check; return the exit code."""
    wrong = []
    for path, make in DOCUMENTS.items():
        text = make()
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        wrong.append(path.relative_to(ROOT))
        if "--check" not in arguments:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    for path in wrong:
        print(f"{path}: {'not as the code is; run make documents' if '--check' in arguments else 'written'}")
    return 1 if wrong and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
