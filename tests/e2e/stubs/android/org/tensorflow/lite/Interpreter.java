package org.tensorflow.lite;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;

/** Takes what the model was given into the file `input`, and answers what the file `output` holds. */
public final class Interpreter implements AutoCloseable {
    public Interpreter(ByteBuffer model) {
        if (!model.isDirect()) {
            throw new IllegalArgumentException("Model ByteBuffer should be either a MappedByteBuffer or a direct ByteBuffer");
        }
    }

    public Tensor getInputTensor(int index) {
        return tensor("input");
    }

    public Tensor getOutputTensor(int index) {
        return tensor("output");
    }

    public void run(Object input, Object output) {
        ByteBuffer given = (ByteBuffer) input;
        byte[] bytes = new byte[given.remaining()];
        given.get(bytes);
        try {
            Files.write(Path.of("input"), bytes);
            byte[] answer = Files.readAllBytes(Path.of("output"));
            System.arraycopy(answer, 0, ((byte[][]) output)[0], 0, answer.length);
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
    }

    @Override
    public void close() {}

    private static Tensor tensor(String name) {
        return new Tensor() {
            @Override
            public QuantizationParams quantizationParams() {
                return new QuantizationParams(Float.parseFloat(System.getProperty("scale")), Integer.getInteger("zeroPoint"));
            }

            @Override
            public int[] shape() {
                return new int[] {1, Integer.getInteger(name)};
            }
        };
    }
}
