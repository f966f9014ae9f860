"""All layers of both Kerases open, or have their reason."""

import re
from pathlib import Path

import keras
import pytest
import tf_keras

from edgepress.runtime import InputError
from edgepress.train.keras_file.vet import REFUSED, allowed_layers, vetted

NO_LAYERS = {"AbstractRNNCell", "Input", "InputSpec", "Layer"}


@pytest.mark.parametrize("library", ["keras", "tf_keras"])
def test_every_public_layer_is_opened_or_has_its_reason(library):
    public = {name for name in dir({"keras": keras, "tf_keras": tf_keras}[library].layers) if name[0].isupper()}
    assert public - allowed_layers(library) - REFUSED.keys() == NO_LAYERS & public


def test_the_page_lists_what_is_not_opened():
    page = (Path(__file__).parents[3] / "docs" / "export.md").read_text()
    assert dict(re.findall(r"^\| `(\w+)` \| (.+) \|$", page, re.MULTILINE)).items() >= REFUSED.items()


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ({"module": "os", "class_name": "system", "config": {"name": "x"}}, "layer 'x' is os.system"),
        ({"class_name": "TFSMLayer", "config": {"name": "x", "filepath": "/etc"}}, "loads another model from a path"),
        ({"class_name": "function", "config": "exec"}, "'exec': Keras' own functions"),
        ({"class_name": "Dense", "config": {"name": "x", "activation": "os.system"}}, "activation 'os.system'"),
        ({"class_name": "TFOpLambda", "config": {"name": "x", "function": "io.read_file"}}, "calls 'io.read_file'"),
        ({"class_name": "__lambda__", "config": {}}, "is a __lambda__"),
    ],
)  # fmt: skip
def test_what_is_not_keras_own_is_refused_before_anything_is_made(named, message):
    with pytest.raises(InputError, match=message):
        vetted({"class_name": "Sequential", "config": {"name": "m", "layers": [named]}}, "tf_keras")
