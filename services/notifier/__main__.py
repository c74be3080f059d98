"""Runs the service: `python -m services.notifier`."""

from services.notifier.app import build
from shared.observability.logs import configure_logging
from shared.settings import load_settings
from shared.web.serve import serve


def main() -> None:
    settings = load_settings("notifier")
    configure_logging("notifier", settings.log_level)
    serve(build(settings), settings)


if __name__ == "__main__":
    main()
