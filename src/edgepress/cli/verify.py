"""`edgepress verify`: is this the bundle that its maker signed?"""

import click

from edgepress.runtime import ArtifactRefusedError, CheckFailedError

from .common import emit, json_option, reports_errors

__all__ = ["command"]


@click.command("verify", short_help="Check a bundle's signature and digests.")
@click.argument("bundle", type=click.Path())
@click.option("--key", required=True, type=click.Path(), metavar="PEM", help="The maker's public key.")
@json_option
@reports_errors
def command(bundle: str, key: str, as_json: bool) -> None:
    """Check that the owner of the key signed BUNDLE and that every file of it is the one that was signed.

    That is what export wrote: artifacts, packed files, golden vectors, C headers; a report is made later and is not
    signed. Exit status 1: one is not. Needs the install extra `sign`.
    """
    from edgepress.runtime.bundle.signature import verify_bundle

    try:
        manifest = verify_bundle(bundle, key)
    except ArtifactRefusedError as error:
        raise CheckFailedError(str(error)) from None
    artifacts, others = [artifact.file for artifact in manifest.artifacts], list(manifest.files)
    text = f"{bundle}: signed with {key}, {len(artifacts)} artifacts and {len(others)} other files as signed"
    emit({"ok": True, "artifacts": artifacts, "files": others}, text, as_json=as_json)
