"""Which tests of a parallel run stay together in one process: a file's, and a folder's whose files share something costly."""

from __future__ import annotations

from typing import Final

from xdist.scheduler import LoadScopeScheduling

# Each has a running system, or a browser, of which a second one would cost more than the second process gains.
ONE_ROOM: Final = ("tests/browser/", "tests/integration/request_api/", "tests/integration/matrix/")


class ByRoom(LoadScopeScheduling):  # type: ignore[misc]  # xdist ships no types.
    """Hands out whole files, and whole folders of ONE_ROOM, in the order of the collection."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return next((room for room in ONE_ROOM if file.startswith(room)), file)
