package org.tensorflow.lite;

/** What the snippet uses of it. */
public enum DataType {
    FLOAT32,
    INT8,
    UINT8
}
