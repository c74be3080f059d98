"""Runs the service: `python -m services.expiry`."""

from services.expiry.app import build
from shared.observability.logs import configure_logging
from shared.settings import load_settings
from shared.web.serve import IN_THE_BACKGROUND, serve


def main() -> None:
    settings = load_settings("expiry")
    configure_logging("expiry", settings.log_level)
    serve(build(settings), settings, niceness=IN_THE_BACKGROUND)


if __name__ == "__main__":
    main()
