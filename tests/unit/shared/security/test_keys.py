"""Signing keys: files that only their owner reads, a published half, and what is derived from a secret."""

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat

from shared.security.keys import BadKey, derive_key, load_key, public_jwks, signing_key


def write(path: Path, content: bytes, mode: int = 0o600) -> Path:
    path.write_bytes(content)
    path.chmod(mode)
    return path


def pem(key: Ed25519PrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def test_a_key_is_named_by_its_thumbprint_and_published_without_its_private_half(tmp_path: Path) -> None:
    private = Ed25519PrivateKey.generate()
    key = load_key(write(tmp_path / "key.pem", pem(private)))
    assert key.kid == signing_key(private).kid
    published = public_jwks([key])
    assert published["keys"][0] == {
        "kty": "OKP",
        "crv": "Ed25519",
        "alg": "EdDSA",
        "use": "sig",
        "kid": key.kid,
        "x": published["keys"][0]["x"],
    }
    assert json.dumps(published)


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o660, 0o604])
def test_a_key_that_others_can_read_is_refused_with_the_command_that_mends_it(tmp_path: Path, mode: int) -> None:
    path = write(tmp_path / "key.pem", pem(Ed25519PrivateKey.generate()), mode)
    with pytest.raises(BadKey, match=f"chmod 600 {path}"):
        load_key(path)


def test_a_key_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadKey, match=r"absent\.pem cannot be read: No such file"):
        load_key(tmp_path / "absent.pem")


def test_what_is_no_key_of_ours_is_refused_with_the_command_that_makes_one(tmp_path: Path) -> None:
    other = generate_private_key(SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    locked = Ed25519PrivateKey.generate().private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x")
    )
    for number, content in enumerate((b"", b"text", other, locked)):
        with pytest.raises(BadKey, match="openssl genpkey -algorithm ed25519"):
            load_key(write(tmp_path / f"{number}.pem", content))


def test_each_purpose_has_its_own_key() -> None:
    assert derive_key("secret", "a") == derive_key("secret", "a")
    assert len({derive_key("secret", "a"), derive_key("secret", "b"), derive_key("other", "a")}) == 3
    assert len(derive_key("secret", "a")) == 32
