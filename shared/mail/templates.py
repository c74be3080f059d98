"""The templates that mails are written by: text as it stands, HTML escaped, and nothing hidden in either."""

from typing import Any

import jinja2
from markupsafe import Markup

from shared.mail.text import line, visible


def _shown(value: Any) -> Any:
    """Keep what is hidden from every mail, whatever a template prints."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def mail_templates(package: str) -> jinja2.Environment:
    """Give the templates in a package's folder `templates`. The filter `line` is there; an unknown name is an error."""
    templates = jinja2.Environment(
        loader=jinja2.PackageLoader(package),
        autoescape=jinja2.select_autoescape(enabled_extensions=("html",), default=False),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=_shown,
    )
    templates.filters["line"] = line
    return templates
