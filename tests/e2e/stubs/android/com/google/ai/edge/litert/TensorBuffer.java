package com.google.ai.edge.litert;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;

/** The file of its name, which holds the tensor's bytes: what the snippet uses, as the class's reference declares it. */
public final class TensorBuffer implements AutoCloseable {
    private final Path file;
    private final int bytes;

    TensorBuffer(String name, int bytes) {
        this.file = Path.of(name);
        this.bytes = bytes;
    }

    public void writeFloat(float[] data) {
        ByteBuffer all = ByteBuffer.allocate(4 * data.length).order(ByteOrder.nativeOrder());
        all.asFloatBuffer().put(data);
        write(all.array());
    }

    public void writeInt8(byte[] data) {
        write(data);
    }

    public float[] readFloat() {
        float[] data = new float[bytes / 4];
        ByteBuffer.wrap(read()).order(ByteOrder.nativeOrder()).asFloatBuffer().get(data);
        return data;
    }

    public byte[] readInt8() {
        return read();
    }

    @Override
    public void close() {}

    private void write(byte[] data) {
        if (data.length != bytes) {
            throw new IllegalArgumentException("Cannot copy to a tensor with another number of bytes");
        }
        try {
            Files.write(file, data);
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
    }

    private byte[] read() {
        try {
            return Files.readAllBytes(file);
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
    }
}
