"""A bundle's contract and task as constants of C: what a program without a JSON reader needs of the manifest.

The constants are the manifest's entries, number by number. `docs/snippets/predict.cc` does what they say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from edgepress.runtime import Task
from edgepress.runtime.contract import KINDS, Audio, Features, Input, Picture
from edgepress.runtime.contract.audio import PLACES
from edgepress.runtime.tasks import TASKS

__all__ = ["c_constants", "c_types"]

_GUARD = "EDGEPRESS_CONTRACT_"


def c_types() -> str:
    """The types of the constants, the same in every header."""
    kinds, tasks, places = (
        ", ".join(f"EDGEPRESS_{name.upper()}" for name in names) for names in (KINDS, TASKS, PLACES)
    )
    return f"""\
#ifndef {_GUARD}
#define {_GUARD}
#include <math.h>

enum EdgepressKind {{ {kinds} }};
enum EdgepressTaskKind {{ {tasks} }};
enum EdgepressPlace {{ {places} }};

/* A column of a table. */
struct EdgepressColumn {{
  const char* name;
  const char* const* categories; /* Texts, each for its place; NULL where the column holds numbers. */
  int category_count;
  double missing; /* What a missing value becomes; NAN where there must be one. */
}};

/* real = (number - mean) / std; number i has the statistics i % statistics_count, or none where that is 0. */
struct EdgepressInput {{
  const char* name;
  enum EdgepressKind kind;
  int size; /* Numbers of one example. */
  const double* mean;
  const double* std;
  int statistics_count;
  int turned; /* Of a picture: the model takes colours as BGR. */
  const struct EdgepressColumn* columns;
  int column_count;
  int one_hot; /* A column of categories is one number a category. */
  int rate;    /* Of a recording, in Hz. */
  enum EdgepressPlace place;
}};

struct EdgepressTask {{
  enum EdgepressTaskKind kind;
  int logits;
  const char* const* labels;
  const char* const* units; /* Of a regression's values; NULL where they are not known. */
  int label_count;
  const double* mean; /* Of a regression: value = output * std + mean; NULL where the outputs are the values. */
  const double* std;
  double threshold;
  double unknown_threshold; /* Of classes: below this highest probability an example is unknown; -1: none. */
}};
#endif"""


def c_constants(name: str, inputs: Sequence[tuple[str, Input]], task: Task) -> str:
    """`NAME_inputs`, `NAME_input_count` and `NAME_task`.

    Args:
        name: What all names begin with.
        inputs: Names and contracts in the order of the file's inputs.
        task: The bundle's.
    """
    lines: list[str] = []

    def array(label: str, form: str, items: Iterable[str]) -> str:
        """Its name once it is written; NULL where it is empty."""
        written = list(items)
        if not written:
            return "NULL"
        lines.append(f"static {form} {name}_{label}[] = {{{', '.join(written)}}};")
        return f"{name}_{label}"

    entries = [_input(f"input{i}", text, each, array) for i, (text, each) in enumerate(inputs)]
    fields = [
        f"EDGEPRESS_{task.kind.upper()}",
        str(int(task.meaning == "logits")),
        array("labels", _TEXTS, map(_text, task.labels)),
        array("units", _TEXTS, map(_text, task.units)),
        str(len(task.labels)),
        array("task_mean", _NUMBERS, map(_number, task.mean)),
        array("task_std", _NUMBERS, map(_number, task.std)),
        _number(task.threshold),
        _number(-1.0 if task.unknown_threshold is None else task.unknown_threshold),
    ]
    array("inputs", "const struct EdgepressInput", entries)
    lines.append(f"enum {{ {name}_input_count = {len(inputs)} }};")
    lines.append(f"static const struct EdgepressTask {name}_task = {{{', '.join(fields)}}};")
    return "\n".join(lines)


_TEXTS, _NUMBERS = "const char* const", "const double"
_Array = Callable[[str, str, Iterable[str]], str]


def _input(label: str, name: str, each: Input, array: _Array) -> str:
    mean, std = getattr(each, "mean", ()), getattr(each, "std", ())
    many = max(len(mean), len(std))
    # Of a picture one number may stand for all channels.
    mean, std = (values * (many if len(values) == 1 else 1) for values in (mean, std))
    columns = _columns(label, each, array) if isinstance(each, Features) else []
    fields = [
        _text(name),
        f"EDGEPRESS_{each.kind.upper()}",
        str(each.size),
        array(f"{label}_mean", _NUMBERS, map(_number, mean)),
        array(f"{label}_std", _NUMBERS, map(_number, std)),
        str(many),
        str(int(isinstance(each, Picture) and each.order == "bgr")),
        array(f"{label}_columns", "const struct EdgepressColumn", columns),
        str(len(columns)),
        str(int(isinstance(each, Features) and each.one_hot)),
        str(each.rate if isinstance(each, Audio) else 0),
        f"EDGEPRESS_{(each.place if isinstance(each, Audio) else PLACES[0]).upper()}",
    ]
    return f"{{{', '.join(fields)}}}"


def _columns(label: str, features: Features, array: _Array) -> list[str]:
    columns = []
    for i, column in enumerate(features.columns):
        texts = features.categories.get(column, ())
        categories = array(f"{label}_categories{i}", _TEXTS, map(_text, texts))
        missing = _number(features.missing[column]) if column in features.missing else "NAN"
        columns.append(f"{{{_text(column)}, {categories}, {len(texts)}, {missing}}}")
    return columns


def _number(value: float) -> str:
    """Exactly that float64."""
    if value != value:
        return "NAN"
    return {float("inf"): "INFINITY", float("-inf"): "-INFINITY"}.get(value, repr(float(value)))


def _text(value: str) -> str:
    """A string of C, in UTF-8; what is not plain ASCII as octal numbers, which never run on into what follows."""
    plain = (chr(byte) if 32 <= byte < 127 and chr(byte) not in '"\\?' else f"\\{byte:03o}" for byte in value.encode())
    return f'"{"".join(plain)}"'
