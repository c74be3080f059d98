"""How the demo speaks: chapters, what a person does, and what the system answers."""

import json
from typing import Any

import httpx
from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table

console = Console(highlight=False, width=110 if not Console().is_terminal else None)


def chapter(number: int, title: str, why: str) -> None:
    """Open a chapter."""
    console.print()
    console.rule(f"[bold]{number}. {escape(title)}", align="left")
    console.print(f"[dim]{escape(why)}[/dim]")


def says(who: str, text: str) -> None:
    """Tell what somebody does."""
    console.print(f"\n[bold cyan]{escape(who)}[/bold cyan]  {escape(text)}")


def note(text: str) -> None:
    """Tell what has happened."""
    console.print(f"    [green]→[/green] {escape(text)}")


def exchanged(response: httpx.Response, *, shown: dict[str, Any] | None = None) -> None:
    """Show a call and its answer."""
    colour = "green" if response.is_success else "yellow"
    request = response.request
    console.print(
        f"    [dim]{request.method} {escape(request.url.path)}[/dim]  [{colour}]{response.status_code}[/{colour}]"
    )
    if shown:
        console.print(f"    [dim]{escape(json.dumps(shown, ensure_ascii=False))}[/dim]")


def mail(subject: str, text: str) -> None:
    """Show a mail that has arrived."""
    console.print(
        Panel(escape(text.strip()), title=escape(subject), title_align="left", border_style="blue", width=100)
    )


def history(rows: list[tuple[str, str, str, str]]) -> None:
    """Show what the log says: index, time, what, who."""
    table = Table("leaf", "time", "event", "by", box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*(escape(cell) for cell in row))
    console.print(table)
