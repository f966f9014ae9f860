"""`edgepress serve`."""

import os
from pathlib import Path

import click

from edgepress.runtime import InputError, Manifest
from edgepress.runtime.backends import BACKENDS

from .common import emit, json_option, reports_errors

_KEY_VARIABLE = "EDGEPRESS_API_KEY"


@click.command(short_help="HTTP API and a page to try it.")
@click.argument("bundles", metavar="BUNDLE...", nargs=-1, required=True, type=click.Path())
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; 0.0.0.0 for the network.")
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0 takes a free port.")
@click.option("--artifact", metavar="FILE", help="The artifact that answers by default, such as mnist-float32.tflite.")
@click.option("--backend", default="auto", show_default=True, help=f"auto, {', '.join(BACKENDS)}.")
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True, help="Threads of one inference.")
@click.option(
    "--api-key-file",
    type=click.Path(),
    metavar="FILE",
    help=f"Require the key in this file (or in the variable {_KEY_VARIABLE}).",
)
@click.option("--cors-origin", multiple=True, metavar="ORIGIN", help="A page's origin that may call; several allowed.")
@click.option("--max-body", type=click.IntRange(1), default=16_000_000, show_default=True, help="Bytes of a request.")
@click.option("--queue", type=click.IntRange(1), default=64, show_default=True, help="Requests that may wait.")
@click.option("--batch", type=click.IntRange(1), default=256, show_default=True, help="Examples put together at most.")
@click.option(
    "--linger-ms",
    type=click.FloatRange(0),
    default=0.0,
    show_default=True,
    help="How long a request may wait for company. 0: only what waits already is put together.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(0.001),
    default=2.0,
    show_default=True,
    help="Seconds to an answer; later ones are 503.",
)
@json_option
@reports_errors
def command(
    bundles: tuple[str, ...],
    host: str,
    port: int,
    artifact: str | None,
    backend: str,
    threads: int,
    api_key_file: str | None,
    cors_origin: tuple[str, ...],
    max_body: int,
    queue: int,
    batch: int,
    linger_ms: float,
    timeout: float,
    as_json: bool,
) -> None:
    """Serve BUNDLE: the HTTP API, the Open Inference Protocol, metrics and a page to try it on.

    Several bundles are served each under its name, /NAME/, which NAME=BUNDLE gives it; the Open Inference Protocol
    knows all of them.

    SIGTERM answers what is under way and stops. A new bundle in the folder's place is taken over without dropping a
    request (SIGHUP looks at once). The log goes to standard error, one JSON object a line.
    """
    from edgepress.runtime.serve import Limits, Options, serve
    from edgepress.runtime.serve.host.logs import log_as_json

    limits = Limits(body_bytes=max_body, queue=queue, batch=batch, linger_s=linger_ms / 1000, answer_s=timeout)
    options = Options(
        host=host,
        port=port,
        artifact=artifact,
        backend=backend,
        threads=threads,
        api_key=_read_key(api_key_file),
        cors_origins=cors_origin,
        limits=limits,
    )

    def announce(url: str) -> None:
        what = {"bundle": bundles[0]} if len(bundles) == 1 else {"bundles": list(bundles)}
        emit({"url": url, **what}, f"edgepress serves {', '.join(bundles)} on {url}  (Ctrl-C stops)", as_json=as_json)

    log_as_json()
    serve(_named(bundles), options, announce)


def _named(bundles: tuple[str, ...]) -> str | dict[str, str]:
    """One bundle as it is; several, and those with a name in front, by name: their own where none is given."""
    if len(bundles) == 1 and (os.path.exists(bundles[0]) or "=" not in bundles[0]):
        return bundles[0]
    named: dict[str, str] = {}
    for text in bundles:
        given, _, folder = text.partition("=") if "=" in text and not os.path.exists(text) else ("", "", text)
        name = given or Manifest.read(folder).name
        if name in named:
            raise InputError(
                f"two bundles are called {name!r}: give them names, as in digits={named[name]} wine={folder}"
            )
        named[name] = folder
    return named


def _read_key(file: str | None) -> str | None:
    """The key: of the file, else of the variable, else none. Never an argument, which every user of a machine sees."""
    if file is None:
        return os.environ.get(_KEY_VARIABLE) or None
    try:
        key = Path(file).read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"--api-key-file {file} cannot be read ({error}): name a text file with the key") from None
    if not key.isascii() or not key:
        raise InputError(f"--api-key-file {file} holds no key: write one line of ASCII characters into it")
    return key
