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
    """Check that the owner of the key signed BUNDLE and that every artifact is the file that was signed.

    Exit status 1: it is not. Needs the install extra `sign`.
    """
    from edgepress.runtime.signature import verify_bundle

    try:
        manifest = verify_bundle(bundle, key)
    except ArtifactRefusedError as error:
        raise CheckFailedError(str(error)) from None
    files = [artifact.file for artifact in manifest.artifacts]
    emit(
        {"ok": True, "artifacts": files},
        f"{bundle}: signed with {key}, {len(files)} artifacts as signed",
        as_json=as_json,
    )
