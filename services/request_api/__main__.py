"""Runs the service: `python -m services.request_api`."""

from services.request_api.app import build
from shared.observability.logs import configure_logging
from shared.settings import load_settings
from shared.web.serve import serve


def main() -> None:
    settings = load_settings("request_api")
    configure_logging("request_api", settings.log_level)
    serve(build(settings), settings)


if __name__ == "__main__":
    main()
