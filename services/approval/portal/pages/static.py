"""What the pages load: the style and the script, from here and nowhere else."""

from pathlib import PurePath
from typing import Final

from fastapi import Response

from services.approval.portal.page import HEADERS
from services.approval.portal.routing import PageRouter
from services.approval.portal.templating import static_files
from shared.web.problems import not_found

router = PageRouter()

_KINDS: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
# A file's address changes with its contents.
_KEPT: Final = {**HEADERS, "Cache-Control": "public, max-age=31536000, immutable"}
_KEPT.pop("Vary")


@router.get("/static/{name}")
async def static(name: str) -> Response:
    content = static_files().get(name)
    if content is None:
        raise not_found()
    return Response(content, headers=_KEPT, media_type=_KINDS[PurePath(name).suffix])


@router.get("/favicon.ico")
async def icon() -> Response:
    """Answer browsers that ask for it by themselves."""
    return Response(static_files()["lockbox.svg"], headers=_KEPT, media_type=_KINDS[".svg"])
