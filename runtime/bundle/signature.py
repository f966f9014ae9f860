"""Who made a bundle: an Ed25519 signature (RFC 8032) over its manifest, which states the files' digests."""

import base64
import json
import os
from pathlib import Path
from typing import Any

from edgepress.base.errors import ArtifactRefusedError, InputError, Refusal
from edgepress.base.extras import require
from edgepress.base.files import file_sha256

from .manifest import Manifest, read_manifest

__all__ = ["SIGNATURE_NAME", "check_signature", "verify_bundle"]

SIGNATURE_NAME = "manifest.sig"
_ALGORITHM = "ed25519"


def check_signature(folder: str | os.PathLike[str], manifest: bytes, public_key: str | os.PathLike[str]) -> None:
    """Check that the owner of the key signed the bundle's manifest.

    Args:
        folder: The bundle.
        manifest: Its manifest as it was read: what is vouched for is what the caller goes on with.
        public_key: A PEM file with an Ed25519 public key.

    Raises:
        ArtifactRefusedError: No signature, or one that is not this key's over this manifest.
        InputError: No such key.
        MissingExtraError: The `cryptography` package is not installed.
    """
    folder = Path(folder)
    key = _public_key(Path(public_key))
    try:
        signature = json.loads((folder / SIGNATURE_NAME).read_text())
        if signature["algorithm"] != _ALGORITHM:
            raise _refuse(f"{folder} is signed with {signature['algorithm']!r}: {_ALGORITHM} is allowed")
        value = base64.b64decode(signature["signature"], validate=True)
    except FileNotFoundError:
        raise _refuse(f"{folder} is not signed ({SIGNATURE_NAME} is missing)") from None
    except OSError as error:
        raise InputError(f"{folder / SIGNATURE_NAME} cannot be read: {error.strerror}") from None
    except InputError:
        raise
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise _refuse(f"{folder / SIGNATURE_NAME} is no signature ({error!r})") from None
    invalid = require("cryptography.exceptions", extra="sign").InvalidSignature
    try:
        key.verify(value, manifest)
    except invalid:
        raise _refuse(
            f"{folder}: the signature is not made by {public_key} over this manifest: it was changed, or signed by "
            "somebody else"
        ) from None


def verify_bundle(folder: str | os.PathLike[str], public_key: str | os.PathLike[str]) -> Manifest:
    """Check the signature, and that every file that the manifest states is there and has that digest.

    Raises:
        ArtifactRefusedError: As `check_signature`, or a file that is missing or another.
    """
    folder = Path(folder)
    content = read_manifest(folder)
    check_signature(folder, content, public_key)
    manifest = Manifest.from_json(content)
    for name, sha256 in manifest.digests.items():
        path = folder / name
        if not path.is_file() or file_sha256(path) != sha256:
            raise _refuse(f"{path} is missing or not the file that was signed")
    return manifest


def _refuse(what: str) -> ArtifactRefusedError:
    return ArtifactRefusedError(what, Refusal.OTHER_FILE)


def _public_key(path: Path) -> Any:
    serialization = require("cryptography.hazmat.primitives.serialization", extra="sign")
    ed25519 = require("cryptography.hazmat.primitives.asymmetric.ed25519", extra="sign")
    try:
        key = serialization.load_pem_public_key(path.read_bytes())
    except (OSError, ValueError) as error:
        raise InputError(f"{path} holds no public key ({error}): a PEM file is allowed") from None
    if not isinstance(key, ed25519.Ed25519PublicKey):
        raise InputError(f"{path} holds another kind of key: Ed25519 is allowed")
    return key
