"""Malformed rows, windows, recordings and arrays, for bundles that take no pictures; good ones for every bundle.

Each is wrong for every contract: by its shape, its type, its keys, or a content type that the bundle does not take.
"""

import io
import json
import random
import struct
import wave
from collections.abc import Callable
from typing import Any

import numpy as np

from edgepress.runtime import Manifest
from edgepress.runtime.contract import Features

from .serving import post

__all__ = ["NUMBER_KINDS", "good_request"]

_JSON, _RAW = "application/json", "application/octet-stream"


def good_request(manifest: Manifest) -> bytes:
    """One that is answered: zeros, in the contract's shape."""
    contract = manifest.contract
    if (only := contract.only) is not None:
        return post("/v1/predict", np.zeros((3, *only.shape), only.dtype).tobytes(), _RAW)
    inputs = {name: np.zeros((3, *each.shape)).tolist() for name, each in contract.inputs.items()}
    return post("/v1/predict", json.dumps({"inputs": inputs}).encode(), _JSON)


def _wrong_numbers(chance: random.Random, manifest: Manifest) -> bytes:
    sizes = [each.size for each in manifest.contract.inputs.values()]
    size = chance.choice(sizes)
    values: list[Any] = [
        None, True, 7, "7", [], {}, [[]], [[[]]], [[1.0] * size, [1.0]], [["0"] * size], [[None] * size],
        [[0.5] * (size + 1)], [[{}] * size], [{"a": 1}, 3], [10**30], [[[[[0.0]]]]], [[1e39] * (size + 1)],
        ["x" * 1000], [[[0] * 3] * 3, [[0] * 2] * 3],
    ]  # fmt: skip
    value = chance.choice(values)
    if len(sizes) > 1 and chance.random() < 0.5:
        value = dict.fromkeys(manifest.contract.inputs, value)
    key = chance.choice(["inputs", "inputs", "inputs", "rows", "images", ""])
    return post(
        "/v1/predict", json.dumps(chance.choice([{key: value}, value, {key: value, "more": 1}])).encode(), _JSON
    )


def _broken_numbers(chance: random.Random, manifest: Manifest) -> bytes:
    good = json.dumps({"inputs": [[0.5] * 30]}).encode()
    bad = [
        good[: chance.randrange(len(good))],
        good.replace(b"0.5", b"NaN", 1),
        good.replace(b"0.5", b"1e999"),
        good.replace(b"0.5", b"-"),
        b'{"inputs": ' + b"[" * chance.randrange(1, 2000),
        b'{"inputs": ' + b"[" * 500 + b"]" * 500 + b"}",
        b'{"rows": [' + b"{}," * 5000 + b"3]}",
        chance.randbytes(chance.randrange(1, 300)),
    ]
    return post("/v1/predict", chance.choice(bad), _JSON)


def _wrong_rows(chance: random.Random, manifest: Manifest) -> bytes:
    only = manifest.contract.only
    columns = only.columns if isinstance(only, Features) else ("a", "b")
    row: dict[str, Any] = dict.fromkeys(columns, "no such text")
    one = chance.choice(columns)
    rows: list[Any] = [
        row, row | {one: None}, row | {one: []}, row | {one: {}}, row | {one: 1e39}, {"": 1}, {"x" * 500: 1}, None, 3,
        "row", [], [1, 2], row | {"more": [[1]]}, {one[:-1]: 1},
    ]  # fmt: skip
    value = chance.choice([[chance.choice(rows)], [row, chance.choice(rows)], chance.choice(rows), [], {}, 3])
    return post("/v1/predict", json.dumps({"rows": value}).encode(), _JSON)


def _broken_table(chance: random.Random, manifest: Manifest) -> bytes:
    only = manifest.contract.only
    names = ",".join(only.columns if isinstance(only, Features) else ("a", "b")).encode()
    bodies = [
        b"", b"\n\n", names, names + b"\n", names + b"\n1", names + b"\n" + b"text," * names.count(b",") + b"text",
        names + b"\n\"open", names + b"," + names + b"\n1,2,3", b"1,2\n3,4", b"\xff\xfe" + names, b"\0" * 50,
        chance.randbytes(300), names + b"\n" + b"," * 5000, b"," * 5000, names.replace(b",", b"|") + b"\n1|2",
        names + b"\n" + b"1e999," * names.count(b",") + b"1e999",
    ]  # fmt: skip
    kind = chance.choice(["text/csv", "text/csv; charset=utf-8", "text/csv; header=absent"])
    return post("/v1/predict", chance.choice(bodies), kind)


def _recording(frames: bytes, channels: int = 1, rate: int = 8000) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(channels)
        out.setsampwidth(2)
        out.setframerate(rate)
        out.writeframes(frames)
    return file.getvalue()


def _broken_recording(chance: random.Random, manifest: Manifest) -> bytes:
    good = _recording(chance.randbytes(400))

    def with_field(at: int, form: str, value: int) -> bytes:
        return good[:at] + struct.pack(form, value) + good[at + struct.calcsize(form) :]

    bodies = [
        b"", good[: chance.randrange(20)], _recording(b""), chance.randbytes(500), b"fLaC" + chance.randbytes(200),
        b"fLaC" + bytes(60), with_field(20, "<H", 0x7777), with_field(22, "<H", 0), with_field(24, "<I", 0),
        with_field(34, "<H", 77), b"OggS" + chance.randbytes(100), b"ID3" + chance.randbytes(100),
    ]  # fmt: skip
    kind = chance.choice(["audio/wav", "audio/flac", "audio/x-wav"])
    return post("/v1/predict", chance.choice(bodies), kind)


def _damaged_recording(chance: random.Random, manifest: Manifest) -> bytes:
    data = bytearray(_recording(chance.randbytes(400), chance.choice([1, 2, 8]), chance.choice([8000, 44100, 1])))
    for _ in range(chance.randrange(1, 20)):
        data[chance.randrange(60)] = chance.randrange(256)
    return post("/v1/predict", bytes(data), "audio/wav")


def _wrong_raw(chance: random.Random, manifest: Manifest) -> bytes:
    only = manifest.contract.only
    each = 4 * (only.size if only else 1)
    bodies = [b"", bytes(each + 1), bytes(each - 1), np.full(each // 4, np.nan, "<f4").tobytes()]
    bodies += [np.full(each // 4, value, "<f4").tobytes() for value in (np.inf, -np.inf)]
    return post("/v1/predict", chance.choice(bodies), _RAW)


NUMBER_KINDS: dict[str, Callable[[random.Random, Manifest], bytes | list[bytes]]] = {
    "wrong numbers": _wrong_numbers,
    "broken numbers": _broken_numbers,
    "wrong rows": _wrong_rows,
    "broken table": _broken_table,
    "broken recording": _broken_recording,
    "damaged recording": _damaged_recording,
    "wrong raw numbers": _wrong_raw,
}
