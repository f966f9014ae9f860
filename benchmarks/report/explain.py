"""Why is int8 not faster? Five rules over what was measured and what the file holds.

A call of n images is taken to cost a + b n: a is dispatch, b arithmetic. Both follow from one image and the batch.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edgepress.runtime import Artifact

from ..traits import BASELINE_VARIANT, CONVERSIONS, FLOAT_VARIANTS, INTEGER_VARIANTS, SLOW_BACKENDS, SLOW_VARIANTS
from ..values import Row

__all__ = ["Case", "explain", "float_sibling", "reasons"]

# Processor features that multiply int8 in groups, by architecture.
_DOT_PRODUCTS = {
    "x86_64": ("avx512_vnni", "avx_vnni", "amx_int8"),
    "AMD64": ("avx512_vnni", "avx_vnni", "amx_int8"),
    "aarch64": ("asimddp", "i8mm"),
    "arm64": ("asimddp", "i8mm"),
}
_NO_FASTER = 0.95
_MOSTLY = 0.5
_FALLS = 0.8
_FLOAT_SHARE = 0.05


@dataclass(frozen=True)
class Case:
    """A quantized row and the float32 row of the same model in the same backend."""

    artifact: Artifact
    backend: str
    quantized_us: dict[int, float]
    """Time of a call by batch size; 1 is there."""
    float_us: dict[int, float]
    architecture: str
    features: tuple[str, ...]

    def split(self, times: dict[int, float]) -> tuple[float, float]:
        """Dispatch of a call and arithmetic of an image, in microseconds."""
        sizes = [size for size in times if size <= 256]
        largest = max(sizes)
        slope = (times[largest] - times[1]) / (largest - 1) if largest > 1 else times[1]
        slope = min(max(slope, 0.0), times[1])
        return times[1] - slope, slope


def explain(rows: Sequence[Row], artifacts: Mapping[str, Artifact], machine: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Reasons for every quantized row that is not faster than its float32 sibling on one image.

    Args:
        rows: All of a report.
        artifacts: What manifests say of them, by the row's artifact; lone files have no sibling.
        machine: As `describe_machine` tells it.

    Returns:
        One entry a row: artifact, backend, and its reasons, each with the rule's name, what was found, and the choice
        that it suggests.
    """
    found = []
    for row in rows:
        sibling = float_sibling(row, rows)
        if (
            sibling is None
            or row.artifact not in artifacts
            or row.speed.latency_us.p50 < _NO_FASTER * sibling.speed.latency_us.p50
        ):
            continue
        case = Case(
            artifact=artifacts[row.artifact],
            backend=row.backend,
            quantized_us=_times(row),
            float_us=_times(sibling),
            architecture=machine["architecture"],
            features=tuple(machine["features"]),
        )
        found.append({"artifact": row.artifact, "backend": row.backend, "reasons": reasons(case)})
    return found


def float_sibling(row: Row, rows: Iterable[Row]) -> Row | None:
    """The float32 row of the same model in the same format and backend; None for a float row."""
    if row.variant in FLOAT_VARIANTS:
        return None

    def place(r: Row) -> tuple[str, str, str, int]:
        return r.model, r.format, r.backend, r.threads

    return next((r for r in rows if r.variant == BASELINE_VARIANT and place(r) == place(row)), None)


def _times(row: Row) -> dict[int, float]:
    batches = {batch.size: 1e6 * batch.size / batch.images_per_s for batch in row.speed.batches}
    return {1: row.speed.latency_us.p50, **batches}


def reasons(case: Case) -> list[dict[str, str]]:
    """The rules that apply, in the order in which one would act on them."""
    found = []
    for name, rule in _RULES.items():
        answer = rule(case)
        if answer is not None:
            found.append({"rule": name, "text": answer[0], "choice": answer[1]})
    if not found:
        text = "None of the known reasons applies: the int8 kernels of this backend are no faster on this shape."
        found.append({"rule": "unknown", "text": text, "choice": "Take int8 for its size, or another backend."})
    return found


_Answer = tuple[str, str] | None


def _dispatch(case: Case) -> _Answer:
    fixed, _ = case.split(case.quantized_us)
    share = fixed / case.quantized_us[1]
    if share <= _MOSTLY:
        return None
    return (
        f"{share:.0%} of a call ({fixed:.1f} of {case.quantized_us[1]:.1f} us) is dispatch, not arithmetic: "
        "the model is too small for its weights' type to matter.",
        "Answer several images a call, or choose by size and accuracy: both variants are as fast as calls get here.",
    )


def _missing_kernel(case: Case) -> _Answer:
    _, own = case.split(case.quantized_us)
    _, other = case.split(case.float_us)
    if own < _NO_FASTER * other:
        return None
    known = SLOW_BACKENDS.get(case.backend) or SLOW_VARIANTS.get(case.artifact.variant)
    if known is not None:
        return known
    wanted = _DOT_PRODUCTS.get(case.architecture, ())
    if wanted and not set(wanted) & set(case.features):
        return (
            f"This processor has none of {', '.join(wanted)}: int8 products are widened first, at the cost of float.",
            "Take float16 or float32 for speed here; int8 for its size, or a processor with such instructions.",
        )
    return None


def _dequantized(case: Case) -> _Answer:
    artifact = case.artifact
    share = sum(part for name, part in artifact.weights.items() if name.startswith(("float", "bfloat")))
    integer_inside = artifact.variant in INTEGER_VARIANTS
    converts = [name for name in artifact.operators if name in CONVERSIONS.get(artifact.format, ())]
    if share > _FLOAT_SHARE:
        return (
            f"{share:.0%} of the weights are still float: those operators compute as before and pay for conversions.",
            "Export again with every operator quantized; `edgepress inspect` names what remained float.",
        )
    if integer_inside and converts:
        return (
            f"The graph converts between integers and floats on its way ({', '.join(sorted(converts))}).",
            "Export with integer input and output and only int8 operators, so that nothing is converted.",
        )
    return None


def _memory(case: Case) -> _Answer:
    speeds = {size: size / time for size, time in case.quantized_us.items()}
    best = max(speeds, key=lambda size: speeds[size])
    largest = max(speeds)
    if speeds[largest] >= _FALLS * speeds[best]:
        return None
    return (
        f"It is bound by memory: {largest} images a call reach {speeds[largest] / speeds[best]:.0%} of the speed of "
        f"{best}, as the activations no longer fit the cache.",
        f"Answer {best} images a call.",
    )


def _small_batch(case: Case) -> _Answer:
    sizes = sorted(set(case.quantized_us) & set(case.float_us))
    faster = [size for size in sizes if case.quantized_us[size] < 0.9 * case.float_us[size]]
    if not faster:
        return None
    size = faster[0]
    return (
        f"The batch is too small: from {size} images a call it is "
        f"{case.float_us[size] / case.quantized_us[size]:.1f} times as fast as float32.",
        f"Answer {size} images a call where you can wait for them.",
    )


_RULES: dict[str, Callable[[Case], _Answer]] = {
    "dispatch overhead": _dispatch,
    "missing kernel": _missing_kernel,
    "dequantized operators": _dequantized,
    "memory-bound": _memory,
    "batch too small": _small_batch,
}
