"""Operations as methods of both clients: described once, returning the thing in the one and an awaitable in the other."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any, Concatenate, Generic, ParamSpec, Protocol, TypeVar, cast, overload

from lockbox.client.calls import Call
from lockbox.client.errors import UnexpectedAnswer
from lockbox.client.reading import Page
from lockbox.client.sending import Caller, Program

P = ParamSpec("P")
T = TypeVar("T")


class Sync:
    """Marks what a Client has: methods return their result."""


class Async:
    """Marks what an AsyncClient has: methods return an awaitable."""


Mode = TypeVar("Mode", Sync, Async)


class Transport(Protocol):
    """What runs programs: to their result, or to an awaitable of it."""

    caller: Caller

    def run(self, program: Program[Any]) -> Any: ...

    def each(self, call: Call[Page[Any]], more: More) -> Any: ...


class More(Protocol):
    """Says which call gives the next page, or None after the last."""

    def __call__(self, call: Call[Page[Any]], page: Page[Any], /) -> Call[Page[Any]] | None: ...


class Group(Generic[Mode]):
    """Operations on one subject."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport


class Operation(Generic[P, T]):
    """One call."""

    def __init__(self, describe: Callable[P, Call[T]]) -> None:
        self.describe = describe
        self.__doc__ = describe.__doc__

    @overload
    def __get__(self, group: None, owner: type) -> Operation[P, T]: ...
    @overload
    def __get__(self, group: Group[Sync], owner: type) -> Callable[P, T]: ...
    @overload
    def __get__(self, group: Group[Async], owner: type) -> Callable[P, Coroutine[Any, Any, T]]: ...
    def __get__(self, group: Group[Any] | None, owner: type) -> Any:
        if group is None:
            return self
        transport = group._transport  # noqa: SLF001 - The two are one thing.

        @functools.wraps(self.describe)
        def made(*args: P.args, **kwargs: P.kwargs) -> Any:
            return transport.run(transport.caller.call(self.describe(*args, **kwargs)))

        return made


class Procedure(Generic[P, T]):
    """Several calls, with waits between them."""

    def __init__(self, program: Callable[Concatenate[Caller, P], Program[T]]) -> None:
        self.program = program
        self.__doc__ = program.__doc__

    @overload
    def __get__(self, group: None, owner: type) -> Procedure[P, T]: ...
    @overload
    def __get__(self, group: Group[Sync], owner: type) -> Callable[P, T]: ...
    @overload
    def __get__(self, group: Group[Async], owner: type) -> Callable[P, Coroutine[Any, Any, T]]: ...
    def __get__(self, group: Group[Any] | None, owner: type) -> Any:
        if group is None:
            return self
        transport = group._transport  # noqa: SLF001 - As above.

        @functools.wraps(self.program)
        def made(*args: P.args, **kwargs: P.kwargs) -> Any:
            return transport.run(self.program(transport.caller, *args, **kwargs))

        return made


def _next_page(call: Call[Page[Any]], page: Page[Any]) -> Call[Page[Any]] | None:
    if page.next_cursor is None:
        return None
    if page.next_cursor == call.query.get("cursor"):
        raise UnexpectedAnswer("the list goes on where it began: its next_cursor is the one that was sent")
    return call.after(page.next_cursor)


class Listing(Generic[P, T]):
    """All items of a list, page after page as they are taken."""

    def __init__(self, describe: Callable[P, Call[Page[T]]], more: More = _next_page) -> None:
        self.describe = describe
        self.more = more
        self.__doc__ = describe.__doc__

    @overload
    def __get__(self, group: None, owner: type) -> Listing[P, T]: ...
    @overload
    def __get__(self, group: Group[Sync], owner: type) -> Callable[P, Iterator[T]]: ...
    @overload
    def __get__(self, group: Group[Async], owner: type) -> Callable[P, AsyncIterator[T]]: ...
    def __get__(self, group: Group[Any] | None, owner: type) -> Any:
        if group is None:
            return self
        transport = group._transport  # noqa: SLF001 - As above.

        @functools.wraps(self.describe)
        def made(*args: P.args, **kwargs: P.kwargs) -> Any:
            return transport.each(self.describe(*args, **kwargs), self.more)

        return cast("Any", made)
