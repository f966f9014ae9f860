// Pixels and numbers as the tensor that an artifact takes, and its output as real numbers: the twin of
// runtime/encoding.py.
// Math.fround after each step makes it float32 arithmetic.

export const ARRAYS = {
  float32: Float32Array, int8: Int8Array, uint8: Uint8Array, int16: Int16Array, int32: Int32Array,
};

const RANGES = { int8: [-128, 127], uint8: [0, 255], int16: [-32768, 32767] };

/** Round half to even, as NumPy's rint. */
function rint(value) {
  const floor = Math.floor(value), rest = value - floor;
  if (rest !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}

function quantize(real, { dtype, scale, zero_point: zeroPoint }) {
  const steps = Math.fround(rint(Math.fround(real / Math.fround(scale))) + zeroPoint);
  const [low, high] = RANGES[dtype];
  return Math.max(low, Math.min(high, steps));
}

const ofChannel = (value, channel) => Math.fround(Array.isArray(value) ? value[channel] : value);

/** What each of the 256 pixel levels becomes in the input tensor `spec`: one table for all channels, or one for each. */
export function pixelTables(contract, spec) {
  const count = Math.max(...[contract.scale, contract.offset].map((value) => (Array.isArray(value) ? value.length : 1)));
  return Array.from({ length: count }, (_, channel) => {
    const scale = ofChannel(contract.scale, channel), shift = ofChannel(contract.offset, channel);
    const table = new ARRAYS[spec.dtype](256);
    for (let level = 0; level < 256; level++) {
      const real = Math.fround(Math.fround(level * scale) + shift);
      table[level] = spec.scale === null ? real : quantize(real, spec);
    }
    return table;
  });
}

/** Numbers of the input called `name` as pixels. */
export function pixelsOf(levels, name) {
  if (!levels.every((level) => Number.isInteger(level) && level >= 0 && level <= 255)) {
    throw new Error(`${name} is no list of integers from 0 to 255.`);
  }
  return Uint8Array.from(levels);
}

/** Pixels, colours as RGB, as the values of the input tensor `spec`. */
export function encodePixels(pixels, contract, spec) {
  const tables = pixelTables(contract, spec), values = new ARRAYS[spec.dtype](pixels.length);
  const turned = contract.order === "bgr";
  for (let i = 0; i < pixels.length; i++) {
    const channel = i % 3;
    values[i] = tables[tables.length === 1 ? 0 : channel][pixels[turned ? i + 2 - 2 * channel : i]];
  }
  return values;
}

/** Numbers, example by example, as the values of the input tensor `spec`: centred and scaled in float64 first. */
export function encodeNumbers(numbers, { mean = [], std = [] }, spec) {
  const values = new ARRAYS[spec.dtype](numbers.length);
  for (let i = 0; i < numbers.length; i++) {
    const channel = i % Math.max(1, mean.length);
    const real = Math.fround(mean.length ? (numbers[i] - mean[channel]) / std[channel] : numbers[i]);
    values[i] = spec.scale === null ? real : quantize(real, spec);
  }
  return values;
}

/** Real numbers of an output tensor. */
export function dequantize(values, spec) {
  if (spec.scale === null) return Float32Array.from(values);
  const scale = Math.fround(spec.scale);
  return Float32Array.from(values, (integer) => (integer - spec.zero_point) * scale);
}

/** 1 / (1 + exp(-x)), without overflow. */
export function logistic(value) {
  const small = Math.exp(-Math.abs(value));
  return Math.fround(value >= 0 ? 1 / (1 + small) : small / (1 + small));
}

/** Rows of probabilities from rows of outputs, `classes` long each. */
export function probabilities(values, classes, meaning) {
  const rows = [];
  for (let at = 0; at < values.length; at += classes) {
    const row = Array.from(values.subarray(at, at + classes));
    if (meaning === "probabilities") {
      rows.push(row);
    } else {
      const peak = Math.max(...row), powers = row.map((value) => Math.exp(value - peak));
      const sum = powers.reduce((a, b) => a + b, 0);
      rows.push(powers.map((power) => power / sum));
    }
  }
  return rows;
}
