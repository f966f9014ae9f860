package org.tensorflow.lite;

/** What the snippet uses of LiteRT's Java interface, as its reference declares it. */
public interface Tensor {
    QuantizationParams quantizationParams();

    DataType dataType();

    int numBytes();

    int numElements();

    class QuantizationParams {
        private final float scale;
        private final int zeroPoint;

        public QuantizationParams(float scale, int zeroPoint) {
            this.scale = scale;
            this.zeroPoint = zeroPoint;
        }

        public float getScale() {
            return scale;
        }

        public int getZeroPoint() {
            return zeroPoint;
        }
    }
}
