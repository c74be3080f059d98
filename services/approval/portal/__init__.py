"""The portal: pages for people, who do here what the API lets them do, and nothing else."""

from importlib import import_module
from pkgutil import iter_modules

from services.approval.portal import pages
from shared.web.bodies import Router

# Every file of the folder `pages` has a `router`.
ROUTERS: list[Router] = [
    import_module(f"{pages.__name__}.{name}").router
    for name in sorted(one.name for one in iter_modules(pages.__path__))
]
