"""`python -m lockbox.cli` is `lockbox`."""

from lockbox.cli import main

main()
