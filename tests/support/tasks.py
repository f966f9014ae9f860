"""Bundles of one dense layer for every task, written by hand: the schema's object API, no converter."""

import flatbuffers
import numpy as np
import tflite as schema

from edgepress.runtime import Manifest
