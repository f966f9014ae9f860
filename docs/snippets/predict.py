"""Python on a Raspberry Pi or a server: pip install 'edgepress[litert]', then python predict.py BUNDLE"""

import sys

import numpy as np

from edgepress.runtime import load

with load(sys.argv[1], variant="int8") as model:
    pictures = np.zeros((3, *model.preprocessing.shape), np.uint8)
    prediction = model.predict(pictures)
    print(model.backend, prediction.labels.tolist(), prediction.probabilities.max(axis=1).round(3).tolist())
