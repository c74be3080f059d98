"""Runs the service approval: `python -m services.approval`."""

import sys

from services.approval.app import build
from services.approval.parts import SERVICE
from shared.observability.logs import configure_logging
from shared.security.keys import BadKey, load_key
from shared.settings import load_settings
from shared.web.serve import serve


def main() -> None:
    """Serve until SIGTERM. A setting or key that cannot be used ends it in one line, with 2."""
    settings = load_settings(SERVICE)
    configure_logging(SERVICE, settings.log_level)
    assert settings.token_key_file is not None, "load_settings sees to it"
    try:
        load_key(settings.token_key_file)
    except BadKey as error:
        sys.stderr.write(f"{SERVICE}: LOCKBOX_TOKEN_KEY_FILE: {error}\n")
        raise SystemExit(2) from None
    serve(build(settings), settings)


if __name__ == "__main__":
    main()
