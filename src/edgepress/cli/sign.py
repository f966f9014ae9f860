"""`edgepress sign`: say who made a bundle."""

import click

from .common import emit, json_option, reports_errors

__all__ = ["command"]


@click.command("sign", short_help="Sign a bundle's manifest with an Ed25519 key.")
@click.argument("bundle", type=click.Path())
@click.option("--key", required=True, type=click.Path(), metavar="PEM", help="The private key.")
@click.option("--new-key", is_flag=True, help="Make the key first: PEM and PEM.pub.")
@json_option
@reports_errors
def command(bundle: str, key: str, new_key: bool, as_json: bool) -> None:
    """Write manifest.sig into BUNDLE: an Ed25519 signature over its manifest, which states every artifact's digest."""
    from edgepress.export import sign
    from edgepress.export.companions.sign import new_key as make_key

    public = make_key(key) if new_key else None
    path = sign(bundle, key)
    text = f"signed: {path}" + (f"\npublic key: {public}" if public else "")
    emit({"signature": str(path), "public_key": str(public) if public else None}, text, as_json=as_json)
