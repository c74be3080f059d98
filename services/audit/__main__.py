"""`python -m services.audit`."""

from services.audit.app import build
from shared.observability.logs import configure_logging
from shared.settings import load_settings
from shared.web.serve import serve

if __name__ == "__main__":
    settings = load_settings("audit")
    configure_logging("audit", settings.log_level)
    serve(build(settings), settings)
