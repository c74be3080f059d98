"""The command line. Each subject is a module with `register(app)`; a new one is one more name in MODULES."""

from __future__ import annotations

import importlib

import typer

MODULES = (
    "dead",
    "up",
)  # fmt: skip


def make_app() -> typer.Typer:
    app = typer.Typer(
        name="lockbox",
        help="An open customer lockbox: no access without the customer's decision, nothing off the record.",
        context_settings={"help_option_names": ["-h", "--help"]},
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )

    # With a callback, a single command too is called by its name.
    @app.callback()
    def lockbox() -> None:
        pass

    for name in MODULES:
        importlib.import_module(f"{__name__}.{name}").register(app)
    return app


def main() -> None:
    """Run the command line: exit code 0 for done, 1 for refused or failed, 2 for wrong usage."""
    make_app()()
