"""Sign a bundle, and make the keys for it."""

import base64
import json
import os
from pathlib import Path
from typing import Any

from edgepress.base.extras import require
from edgepress.base.files import write_file
from edgepress.runtime import InputError, Manifest
from edgepress.runtime.bundle.manifest import MANIFEST_NAME
from edgepress.runtime.bundle.signature import SIGNATURE_NAME

__all__ = ["new_key", "sign"]


def new_key(private: str | os.PathLike[str]) -> Path:
    """Write an Ed25519 key pair as PEM: `private` (readable by its owner alone) and `<private>.pub`.

    Returns:
        The public key's path.

    Raises:
        InputError: One of the files exists.
    """
    serialization = require("cryptography.hazmat.primitives.serialization", extra="sign")
    ed25519 = require("cryptography.hazmat.primitives.asymmetric.ed25519", extra="sign")
    private = Path(private)
    public = private.with_name(private.name + ".pub")
    for path in (private, public):
        if path.exists():
            raise InputError(f"{path} exists already: name another file; a lost private key cannot be made again")
    key = ed25519.Ed25519PrivateKey.generate()
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    handle = os.open(private, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    write_file(public, key.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo))
    return public


def sign(folder: str | os.PathLike[str], private_key: str | os.PathLike[str]) -> Path:
    """Write `manifest.sig` into a bundle. Equal manifests and keys give equal signatures.

    Raises:
        InputError: No bundle, or no Ed25519 private key in the PEM file.
    """
    folder = Path(folder)
    Manifest.read(folder)
    key = _private_key(Path(private_key))
    signature = base64.b64encode(key.sign((folder / MANIFEST_NAME).read_bytes())).decode()
    path = folder / SIGNATURE_NAME
    write_file(path, json.dumps({"algorithm": "ed25519", "signature": signature}, sort_keys=True) + "\n")
    return path


def _private_key(path: Path) -> Any:
    serialization = require("cryptography.hazmat.primitives.serialization", extra="sign")
    ed25519 = require("cryptography.hazmat.primitives.asymmetric.ed25519", extra="sign")
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, TypeError, ValueError) as error:
        raise InputError(f"{path} holds no private key without a password ({error}): a PEM file is allowed") from None
    if not isinstance(key, ed25519.Ed25519PrivateKey):
        raise InputError(f"{path} holds another kind of key: Ed25519 is allowed")
    return key
