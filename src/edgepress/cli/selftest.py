"""`edgepress selftest`: the golden vectors, every artifact, every backend that is here."""

import click

from edgepress.runtime import CheckFailedError
from edgepress.runtime.conformance.matrix import conformance

from .common import emit, json_option, reports_errors

__all__ = ["command"]


@click.command("selftest")
@click.argument("bundle", type=click.Path())
@click.option("--backend", "backends", multiple=True, help="Only this backend; may be given several times.")
@json_option
@reports_errors
def command(bundle: str, backends: tuple[str, ...], as_json: bool) -> None:
    """Run the golden vectors of BUNDLE through every artifact and every backend that is present.

    Delegates on and off, twice in fresh processes. Exit status 1 where an artifact gives a wrong answer, kills its
    process, or is refused by every backend that reads its format. Formats that no backend here reads are named.
    """
    matrix = conformance(bundle, backends=backends or None)
    text = matrix.to_text()
    if matrix.untried:
        text += f"\nnot tried, no backend here reads them: {', '.join(matrix.untried)}"
    emit(matrix.to_dict(), text, as_json=as_json)
    if not matrix.ok:
        names = "; ".join(f"{name} ({reason})" for name, reason in matrix.refused.items())
        raise CheckFailedError(f"do not use {names}")
