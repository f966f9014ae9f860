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
        if (given.remaining() != getInputTensor(0).numBytes()) {
            throw new IllegalArgumentException("Cannot copy to a TensorFlowLite tensor with another number of bytes");
        }
        byte[] bytes = new byte[given.remaining()];
        given.get(bytes);
        try {
            Files.write(Path.of("input"), bytes);
            ((ByteBuffer) output).put(Files.readAllBytes(Path.of("output")));
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
    }

    @Override
    public void close() {}

    private static Tensor tensor(String name) {
        DataType type = DataType.valueOf(System.getProperty(name + "Type", "INT8"));
        int count = Integer.getInteger(name);
        return new Tensor() {
            @Override
            public QuantizationParams quantizationParams() {
                return new QuantizationParams(
                        Float.parseFloat(System.getProperty("scale", "0")), Integer.getInteger("zeroPoint", 0));
            }

            @Override
            public DataType dataType() {
                return type;
            }

            @Override
            public int numElements() {
                return count;
            }

            @Override
            public int numBytes() {
                return type == DataType.FLOAT32 ? 4 * count : count;
            }
        };
    }
}
