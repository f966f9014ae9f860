"""Ten thousand malformed requests: no 5xx, no crash, and each refusal says what to mend.

    python -m edgepress.benchmarks.studies.server.malformed BUNDLE --requests 10000 --out docs/serve-malformed.json

Seeded. Wrong types, wrong lengths, truncated and damaged pictures, image bombs, broken JSON, forms, tensors and
headers, bytes that are no HTTP, and bodies that come too slowly. Afterwards the server must answer as before. Exit
status 1 when it fails.
"""

import argparse
import io
import json
import random
import socket
import sys
import zlib
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from edgepress.runtime import Manifest

from .malformed_numbers import NUMBER_KINDS, good_request
from .serving import Client, Server, post, publish, start_server

__all__ = ["malformed"]

_JSON, _RAW = "application/json", "application/octet-stream"
_BODY_S = 0.3
_WORKERS = 8


def malformed(bundle: str, *, requests: int, seed: int) -> dict[str, Any]:
    """Send them, and count what came back."""
    manifest = Manifest.read(bundle)
    kinds_of_bundle = _kinds(manifest)
    good = good_request(manifest)
    kinds: Counter[str] = Counter()
    statuses: Counter[int] = Counter()
    failures: list[str] = []
    with start_server(bundle, body_s=_BODY_S, idle_s=2.0, body_bytes=2_000_000) as server:
        expected = _send(server, good)
        if expected[0] != 200:
            failures.append(f"a good request got {expected[0]} {expected[1][:100]!r}")
        before = server.rss_bytes()

        def one(number: int) -> tuple[str, int, str | None]:
            chance = random.Random(f"{seed}/{number}")
            kind = chance.choice(list(kinds_of_bundle))
            status, body = _send(server, kinds_of_bundle[kind](chance, manifest))
            return kind, status, _problem(kind, status, body)

        with ThreadPoolExecutor(_WORKERS) as pool:
            for kind, status, problem in pool.map(one, range(requests)):
                kinds[kind] += 1
                statuses[status] += 1
                if problem:
                    failures.append(problem)
        alive = server.process.poll() is None
        status, body = _send(server, good) if alive else (0, b"")
        if (status, body) != expected:
            failures.append(f"afterwards a good request got {status} {body[:100]!r}")
        growth = server.rss_bytes() - before if alive else 0
    return {
        "requests": requests,
        "seed": seed,
        "statuses": {str(status): count for status, count in sorted(statuses.items())},
        "kinds": dict(sorted(kinds.items())),
        "rss_growth_bytes": growth,
        "failures": failures[:20],
        "failed": len(failures),
    }


def _problem(kind: str, status: int, body: bytes) -> str | None:
    """What is wrong with an answer to a malformed request; None when nothing is."""
    # A damaged picture may still decode, and a shape may fit by chance.
    if status == 200:
        return None if kind in ("damaged picture", "damaged recording", "odd query", "odd header") else f"{kind}: 200"
    if not 400 <= status < 500:
        return f"{kind}: {status} {body[:100]!r}"
    text = json.loads(body)["error"] if body.startswith(b"{") else body.decode()
    return None if ": " in text and len(text) > 20 else f"{kind}: {status} does not say what to mend: {text!r}"


def _send(server: Server, request: bytes | list[bytes]) -> tuple[int, bytes]:
    """Status and body; 0 where the connection ended without an answer. A list is sent slowly, piece by piece."""
    if isinstance(request, bytes) and request.startswith((b"POST ", b"GET ")):
        client = Client(server.port)
        try:
            return client.ask(request)
        except OSError as error:
            return 0, str(error).encode()
        finally:
            client.close()
    pieces = [request] if isinstance(request, bytes) else request
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        answer = b""
        try:
            connection.settimeout(0.15)
            for piece in pieces:
                connection.sendall(piece)
                try:
                    answer += connection.recv(65536)
                except TimeoutError:
                    continue
                if answer:
                    break
            connection.settimeout(10)
            while more := connection.recv(65536):
                answer += more
        except OSError as error:
            answer = answer or str(error).encode()
    head, _, body = answer.partition(b"\r\n\r\n")
    return (int(head[9:12]), body) if head.startswith(b"HTTP/1.1 ") else (0, answer)


def _picture(chance: random.Random, kind: str) -> bytes:
    from PIL import Image

    file = io.BytesIO()
    pixels = np.frombuffer(chance.randbytes(40 * 30), np.uint8).reshape(40, 30)
    Image.fromarray(pixels).save(file, kind)
    return file.getvalue()


def _wrong_length(chance: random.Random, _: Manifest) -> bytes:
    length = chance.choice([0, 1, 783, 785, chance.randrange(1, 5000)])
    return post("/v1/predict", chance.randbytes(length + (length > 0 and length % 784 == 0)), _RAW)


def _wrong_json(chance: random.Random, _: Manifest) -> bytes:
    values: list[Any] = [
        None, True, 7, 1e300, "7", [], {}, [[]], [[1, 2], [3]], [[256] * 784], [[-1] * 784], [[0.5] * 784],
        [["0"] * 784], [[None] * 784], [[True] * 784], [[0] * 783], [[[0] * 28] * 27], [10**30], {"a": [1]},
        [[[[0] * 28] * 28]] * 2 + [1],
    ]  # fmt: skip
    value = chance.choice(values)
    key = chance.choice(["images", "images", "images", "image", "", "inputs"])
    return post("/v1/predict", json.dumps(chance.choice([{key: value}, value, [value]])).encode(), _JSON)


def _broken_json(chance: random.Random, _: Manifest) -> bytes:
    good = json.dumps({"images": [[0] * 784]}).encode()
    bad = chance.choice(
        [
            good[: chance.randrange(len(good))],
            good.replace(b"0", b"NaN", 1),
            b"[" * chance.randrange(1, 100_000),
            b'{"images": ' + b"[" * 500 + b"]" * 500 + b"}",
            b"\xff\xfe" + good,
            chance.randbytes(chance.randrange(1, 300)),
            b'{"images": [[1e999]]}',
            b'{"images": [' + b"9" * 5000 + b"]}",
        ]
    )
    return post("/v1/predict", bad, _JSON)


def _truncated_picture(chance: random.Random, _: Manifest) -> bytes:
    kind = chance.choice(["PNG", "JPEG"])
    picture = _picture(chance, kind)
    return post("/v1/predict", picture[: chance.randrange(len(picture) // 2)], f"image/{kind.lower()}")


def _damaged_picture(chance: random.Random, _: Manifest) -> bytes:
    kind = chance.choice(["PNG", "JPEG"])
    picture = bytearray(_picture(chance, kind))
    for _i in range(chance.randrange(1, 40)):
        picture[chance.randrange(len(picture))] = chance.randrange(256)
    return post("/v1/predict", bytes(picture), f"image/{kind.lower()}")


def _bomb(chance: random.Random, _: Manifest) -> bytes:
    """A PNG of a few kilobytes that claims, and partly holds, a gigantic picture."""
    side = chance.choice([5_001, 20_000, 100_000, 2**31 - 1])

    def chunk(name: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + name + data + zlib.crc32(name + data).to_bytes(4, "big")

    header = side.to_bytes(4, "big") * 2 + bytes([8, chance.choice([0, 2, 6]), 0, 0, 0])
    pixels = zlib.compress(bytes(1_000_000), 9)
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    return post("/v1/predict", png, "image/png")


def _text_bomb(chance: random.Random, _: Manifest) -> bytes:
    """A PNG whose compressed text unfolds to megabytes, before any pixel."""
    data = b"note\0\0" + zlib.compress(bytes(chance.choice([2, 20, 60]) * 1_000_000), 9)
    chunk = len(data).to_bytes(4, "big") + b"zTXt" + data + zlib.crc32(b"zTXt" + data).to_bytes(4, "big")
    png = _picture(chance, "PNG")
    return post("/v1/predict", png[:33] + chunk + png[33 : chance.randrange(40, 200)], "image/png")


def _wrong_type(chance: random.Random, _: Manifest) -> bytes:
    kind = chance.choice(["text/plain", "", "image/gif", "application/x-www-form-urlencoded", "x" * 300, "image/*"])
    return post("/v1/predict", chance.randbytes(784), kind)


def _broken_form(chance: random.Random, _: Manifest) -> bytes:
    part = b'--edge\r\ncontent-disposition: form-data; name="p"; filename="x"\r\n\r\n'
    bodies = [
        b"", b"--edge--\r\n", part, part + b"x\r\n--edge--\r\n", part * 100 + b"--edge--\r\n", chance.randbytes(500),
        b"--edge\r\n" + chance.randbytes(50) + b"\r\n\r\nx\r\n--edge--\r\n", b"--edge\r\n\r\nvalue\r\n--edge--\r\n",
        (part + b"x\r\n") * 200 + b"--edge--\r\n", b"--edge" + b"\r\na: b" * 1000,
    ]  # fmt: skip
    kind = chance.choice(
        ["multipart/form-data; boundary=edge", "multipart/form-data", "multipart/form-data; boundary="]
    )
    return post("/v1/predict", chance.choice(bodies), kind)


def _wrong_tensor(chance: random.Random, manifest: Manifest) -> bytes:
    good: dict[str, Any] = {"name": "images", "shape": [1, 28, 28], "datatype": "UINT8", "data": [0] * 784}
    wrong: dict[str, list[Any]] = {
        "name": [None, 7, "x", []],
        "shape": [None, [], [784], [1, 28], [-1, 28, 28], [0, 28, 28], [10**9, 28, 28], ["1", 28, 28], {}],
        "datatype": [None, "FP32", "uint8", 8],
        "data": [None, [], [0] * 783, [256] * 784, [0.5] * 784, ["a"] * 784, [[0] * 28] * 27, {}],
        "parameters": [3, {"binary_data_size": 784}, {"binary_data_size": "x"}, {"binary_data_size": -1}],
    }
    field = chance.choice(list(wrong))
    message: Any = {"inputs": [good | {field: chance.choice(wrong[field])}]}
    message = chance.choice(
        [message, message, message, {}, [], {"inputs": 3}, {"inputs": []}, {"inputs": [good, good]}]
    )
    name = chance.choice([manifest.name, manifest.name, manifest.artifacts[0].file, "nothing", "..%2f..%2fetc"])
    return post(f"/v2/models/{name}/infer", json.dumps(message).encode(), _JSON)


def _wrong_binary_tensor(chance: random.Random, manifest: Manifest) -> bytes:
    size = chance.choice([0, 1, 783, 785, 10**12])
    message = {
        "inputs": [
            {"name": "images", "shape": [1, 28, 28], "datatype": "UINT8", "parameters": {"binary_data_size": size}}
        ]
    }
    header = json.dumps(message).encode()
    length = chance.choice([str(len(header)), "0", "-1", "x", str(10**9), str(len(header) - 1), "1" * 50])
    request = post(f"/v2/models/{manifest.name}/infer", header + bytes(784), _RAW)
    return request.replace(b"\r\n", f"\r\ninference-header-content-length: {length}\r\n".encode(), 1)


def _odd_path(chance: random.Random, _: Manifest) -> bytes:
    paths = [
        "/nothing",
        "/v1",
        "/v1/predict/x",
        "/../../etc/passwd",
        "/%2e%2e/manifest.json",
        "/artifacts/../manifest.json",
    ]
    paths += [
        "/artifacts/manifest.json",
        "/v2/models/" + "x" * 3000,
        "/%00",
        "/\u00e9".encode().decode("latin-1"),
        "//x",
    ]
    method = chance.choice(["GET", "POST"])
    return f"{method} {chance.choice(paths)} HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n".encode("latin-1")


def _odd_query(chance: random.Random, _: Manifest) -> bytes:
    queries = ["artifact=nothing", "artifact=../x", "artifact=%00", "artifact=" + "x" * 5000, "artifact=a&artifact=b"]
    return post(f"/v1/predict?{chance.choice(queries)}", bytes(784), _RAW)


def _odd_header(chance: random.Random, _: Manifest) -> bytes:
    fields = [
        "x-request-id: " + "x" * 3000,
        "accept: \x7f",
        "expect: nothing",
        "content-encoding: gzip",
        "range: bytes=0-1",
    ]
    request = post("/v1/predict", bytes(chance.choice([784, 5])), _RAW)
    return request.replace(b"\r\n", f"\r\n{chance.choice(fields)}\r\n".encode(), 1)


def _too_long(chance: random.Random, _: Manifest) -> bytes:
    return post("/v1/predict", bytes(chance.choice([2_000_001, 2_500_000])), chance.choice([_RAW, _JSON, "image/png"]))


def _no_http(chance: random.Random, _: Manifest) -> bytes:
    return chance.choice(
        [
            chance.randbytes(200) + b"\r\n\r\n",
            b"HELO x\r\n\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + chance.randbytes(200),
            b"PUT / HTTP/9.9\r\n\r\n",
            b"NONSENSE /v1/predict HTTP/1.1\r\n\r\n",
            b"PATCH /v1/predict HTTP/1.1\r\ncontent-length: x\r\n\r\n",
        ]
    )


def _slow_body(chance: random.Random, _: Manifest) -> list[bytes]:
    request = post("/v1/predict", bytes(784), _RAW)
    cut = len(request) - chance.randrange(10, 700)
    return [request[:cut], *(request[cut + i : cut + i + 1] for i in range(6))]


_KINDS: dict[str, Callable[[random.Random, Manifest], bytes | list[bytes]]] = {
    "wrong length": _wrong_length,
    "wrong JSON": _wrong_json,
    "broken JSON": _broken_json,
    "truncated picture": _truncated_picture,
    "damaged picture": _damaged_picture,
    "image bomb": _bomb,
    "text bomb": _text_bomb,
    "wrong type": _wrong_type,
    "broken form": _broken_form,
    "wrong tensor": _wrong_tensor,
    "wrong binary tensor": _wrong_binary_tensor,
    "odd path": _odd_path,
    "odd query": _odd_query,
    "odd header": _odd_header,
    "too long": _too_long,
    "no HTTP": _no_http,
    "slow body": _slow_body,
}


# What is about pictures, or fits other contracts by chance.
_OF_PICTURES = ("wrong length", "wrong JSON", "broken JSON", "truncated picture", "damaged picture", "image bomb",
                "text bomb", "slow body")  # fmt: skip


def _kinds(manifest: Manifest) -> dict[str, Callable[[random.Random, Manifest], bytes | list[bytes]]]:
    """What is wrong for this bundle."""
    if manifest.preprocessing is not None:
        return _KINDS
    return {kind: make for kind, make in _KINDS.items() if kind not in _OF_PICTURES} | NUMBER_KINDS


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle")
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    result = malformed(arguments.bundle, requests=arguments.requests, seed=arguments.seed)
    publish(result, arguments.out)
    sys.exit(bool(result["failed"]))


if __name__ == "__main__":
    _main()
