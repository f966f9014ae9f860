"""From Keras to TFLite and ONNX: convert, quantize, verify, and write the bundle."""
