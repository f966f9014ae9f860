package com.google.ai.edge.litert;

/** What the snippet uses of it. */
public enum Accelerator {
    CPU
}
