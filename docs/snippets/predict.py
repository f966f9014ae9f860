"""Python on a Raspberry Pi or a server: pip install 'edgepress[litert]', then python predict.py BUNDLE [FILE ...]"""

import sys

import numpy as np

from edgepress.runtime import load

bundle, *files = sys.argv[1:]
with load(bundle, variant="int8") as model:
    # Files as the contract has them: pictures, CSV, WAV, NPY. Without any, three blank examples.
    given = model.contract.only
    answer = model.predict_files(files) if files else model.predict(np.zeros((3, *given.shape), given.dtype))
    print(model.backend, answer.rows())
