package com.google.ai.edge.litert;

import android.content.res.AssetManager;
import java.util.List;

/** Takes what the model is given into the file `input`, and answers what the file `output` holds. */
public final class CompiledModel implements AutoCloseable {
    private CompiledModel() {}

    public static CompiledModel create(AssetManager assets, String name, Options options) {
        return new CompiledModel();
    }

    public List<TensorBuffer> createInputBuffers() {
        return List.of(new TensorBuffer("input", Integer.getInteger("input")));
    }

    public List<TensorBuffer> createOutputBuffers() {
        return List.of(new TensorBuffer("output", Integer.getInteger("output")));
    }

    public void run(List<TensorBuffer> inputs, List<TensorBuffer> outputs) {}

    @Override
    public void close() {}

    /** What the snippet uses of it. */
    public static final class Options {
        public Options(Accelerator... accelerators) {}
    }
}
