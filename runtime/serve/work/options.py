"""What a server may take in, keep waiting and give away: every limit in one place."""

from dataclasses import dataclass, field

from edgepress.base.errors import InputError

__all__ = ["Limits", "Options"]


@dataclass(frozen=True)
class Limits:
    """Bounds that keep a small machine alive under any load."""

    body_bytes: int = 16_000_000
    """Longest request body; a longer one is answered 413."""
    buffered_bytes: int = 64_000_000
    """Bodies held in memory at once, all requests together; beyond it requests are answered 503."""
    pixels: int = 25_000_000
    """Most pixels that a picture file may claim; read before it is unpacked."""
    samples: int = 5_000_000
    """Most samples that a recording may claim, all channels together; read before it is unpacked."""
    examples: int = 65_536
    """Most examples of one request: a few bytes each may be, and their answers are longer."""
    connections: int = 256
    """Open connections; on further ones requests are answered 503 and the connection is closed."""
    queue: int = 64
    """Requests waiting for inference; further ones are answered 503."""
    batch: int = 256
    """Images that one inference takes in at most when waiting requests are put together."""
    linger_s: float = 0.0
    """How long a request may wait for company before inference. 0: only what waits already is put together."""
    answer_s: float = 2.0
    """From the last byte of a request to its answer; one that has waited for three quarters of it is answered 503."""
    streams: int = 16
    """Streams that are open at once; further ones are answered 503."""
    stream_s: float = 3600.0
    """A stream ends after this time; its client opens another."""
    body_s: float = 30.0
    """From the headers to the last byte of a body; a slower one is answered 408."""
    idle_s: float = 15.0
    """A connection without a complete request header is closed after this time."""
    drain_s: float = 10.0
    """On SIGTERM: the longest wait for answers that are under way."""

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value < 0 or (value == 0 and name != "linger_s"):
                raise InputError(f"limit {name} = {value}: a number above 0 is allowed")


@dataclass(frozen=True)
class Options:
    """How a server presents itself."""

    host: str = "127.0.0.1"
    port: int = 8000
    """0 takes a free port."""
    artifact: str | None = None
    """File name of the artifact that answers when a request names none; None: what `load(bundle)` takes,
    or another of the default model's where there is no int8."""
    backend: str = "auto"
    threads: int = 1
    api_key: str | None = None
    """Requests must carry it (`Authorization: Bearer KEY` or `X-API-Key: KEY`), save for the page and the health."""
    cors_origins: tuple[str, ...] = ()
    """Origins whose pages may call; none by default."""
    reload_s: float = 1.0
    """How often the bundle is looked at for a new manifest."""
    limits: Limits = field(default_factory=Limits)
