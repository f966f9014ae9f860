package com.google.ai.edge.litert;

import android.content.res.AssetManager;
import java.util.Map;

/** Takes what the model is given into the files `NAME.input`, and answers what the files `NAME.output` hold. */
public final class CompiledModel implements AutoCloseable {
    private CompiledModel() {}

    public static CompiledModel create(AssetManager assets, String name, Options options) {
        return new CompiledModel();
    }

    public TensorBuffer createInputBuffer(String name) {
        return buffer(name + ".input");
    }

    public TensorBuffer createOutputBuffer(String name) {
        return buffer(name + ".output");
    }

    public void run(Map<String, TensorBuffer> inputs, Map<String, TensorBuffer> outputs) {}

    private static TensorBuffer buffer(String name) {
        return new TensorBuffer(name, Integer.getInteger(name));
    }

    @Override
    public void close() {}

    /** What the snippet uses of it. */
    public static final class Options {
        public Options(Accelerator... accelerators) {}
    }
}
