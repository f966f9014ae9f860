// JavaScript in Node or a browser: npm install onnxruntime-web, then  node predict.mjs BUNDLE/pressed-int8.onnx FILE
// FILE holds examples as the contract has them: pixels (uint8, one picture after the other), a WAV of 16 bits, or JSON as
// edgepress serve takes it: {"rows": [{column: value, ...}, ...]} or {"inputs": [...]}, by name where there are several.
// A third word, unknown, labels what is below the bundle's threshold so.
import { readFile } from "node:fs/promises";
import * as ort from "onnxruntime-web";

const [model, file, unknown] = process.argv.slice(2), address = new URL(model, `file://${process.cwd()}/`);
const manifest = JSON.parse(await readFile(new URL("manifest.json", address), "utf8"));
const { inputs } = manifest.contract, { task } = manifest;
const artifact = manifest.artifacts.find(({ file }) => address.pathname.endsWith(`/${file}`));
const fround = Math.fround, sizeOf = (shape) => shape.slice(1).reduce((a, b) => a * Math.abs(b), 1);

// The number that a row's value stands for; NaN where it is none. Beside names that are unknown a column that is not there
// may be misspelt: no stand-in for it.
const blanks = ["", "na", "n/a", "nan", "null", "none", "?"], truths = { false: 0, true: 1 };
function numberOf(row, column, { columns, categories, missing }) {
  const value = row[column], bare = String(value ?? "").trim().toLowerCase();
  if (!(column in row) && Object.keys(row).some((name) => !columns.includes(name))) return NaN;
  if (blanks.includes(bare)) return missing[column] ?? NaN;
  if (column in categories) return categories[column].includes(String(value)) ? categories[column].indexOf(String(value)) : NaN;
  return typeof value === "object" || bare.includes("x") ? NaN : truths[bare] ?? Number(value);
}

// From what people have to numbers, example after example.
const numbersOf = {
  picture: (given, { order }) => {
    const pixels = given.flat(Infinity);
    return order === "bgr" ? pixels.map((_, i) => pixels[i + 2 - 2 * (i % 3)]) : pixels;
  },
  features: (given, contract) => given.flatMap((row) => Array.isArray(row) ? row
    : contract.columns.flatMap((column) => {
      const number = numberOf(row, column, contract), texts = contract.categories[column];
      if (!Number.isFinite(number)) throw new Error(`column ${column} is ${JSON.stringify(row[column])}`);
      return texts && contract.one_hot ? texts.map((_, place) => Number(place === number)) : [number];
    })),
  signal: (given) => given.flat(Infinity),
  audio: (given) => given.flat(Infinity),
  tensor: (given) => given.flat(Infinity),
};

/** Numbers as the real numbers of an input: pixels in float32, all else centred and scaled in float64 first. */
function reals(numbers, { kind, mean = [], std = [] }) {
  return Float32Array.from(numbers, (value, i) => {
    // Of a picture one number may stand for all channels.
    const centre = mean[i % mean.length], width = std[i % std.length];
    if (kind === "picture") return fround(value * fround(1 / width)) + fround(-centre / width);
    return mean.length ? (value - centre) / width : value;
  });
}

/** A recording of 16 bits, one channel, at the contract's rate, as one window. */
function windowOf(bytes, { rate, samples: size, place }) {
  const at = bytes.indexOf("data") + 8, format = bytes.indexOf("fmt ") + 8;
  if (bytes.readUInt16LE(format + 2) !== 1 || bytes.readUInt32LE(format + 4) !== rate || bytes.readUInt16LE(format + 14) !== 16) {
    throw new Error(`a WAV of 16 bits, one channel and ${rate} Hz is allowed`);
  }
  const count = Math.min(bytes.readUInt32LE(at - 4), bytes.length - at) >> 1;
  const sound = Array.from({ length: count }, (_, i) => bytes.readInt16LE(at + 2 * i) / 32768), missing = size - count;
  if (missing >= 0) {
    const before = place === "start" ? 0 : missing >> 1;
    return [...Array(before).fill(0), ...sound, ...Array(missing - before).fill(0)];
  }
  let start = place === "middle" ? -missing >> 1 : 0;
  if (place === "loudest") {
    const energy = [0];
    for (const sample of sound) energy.push(energy.at(-1) + sample * sample);
    for (let i = 1; i <= -missing; i++) if (energy[i + size] - energy[i] > energy[start + size] - energy[start]) start = i;
  }
  return sound.slice(start, start + size);
}

// From real outputs of one example, `row`, to its answer.
const logistic = (value) => 1 / (1 + Math.exp(-value));
function classes(row) {
  const sums = row.length > 1 && task.meaning === "logits" ? row.map((value) => Math.exp(value - Math.max(...row))) : row;
  const yes = task.meaning === "logits" ? logistic(row[0]) : row[0];
  const total = task.kind === "binary" || task.meaning === "logits" ? sums.reduce((a, b) => a + b, 0) : 1;
  const probabilities = row.length === 1 ? [1 - yes, yes] : sums.map((value) => value / (total || 1));
  const most = Math.max(...probabilities), known = !unknown || fround(most) >= fround(task.unknown_threshold);
  if (probabilities.length !== task.labels.length) throw new Error(`${probabilities.length} numbers, ${task.labels.length} classes`);
  return { label: known ? task.labels[probabilities.indexOf(most)] : "unknown", probabilities };
}
const answerOf = {
  multiclass: classes,
  binary: classes,
  multilabel: (row) => {
    const probabilities = task.meaning === "logits" ? row.map(logistic) : row;
    return { labels: task.labels.filter((_, k) => fround(probabilities[k]) >= fround(task.threshold)), probabilities };
  },
  regression: (row) => ({
    values: Object.fromEntries(row.map((value, k) => [
      task.labels[k] ?? `value${k}`, fround(task.mean.length ? value * task.std[k] + task.mean[k] : value),
    ])),
  }),
  anomaly: (row, given) => {
    const score = row.reduce((sum, value, k) => sum + (given[k] - value) ** 2, 0) / row.length;
    return { score, normal: fround(score) <= fround(task.threshold) };
  },
  raw: (row) => ({ output: row }),
};

const bytes = await readFile(file), json = file.endsWith(".json") ? JSON.parse(bytes.toString()) : null;
const whole = json ? json.rows ?? json.inputs : file.endsWith(".wav") ? [windowOf(bytes, inputs[0])] : Array.from(bytes);
if (unknown && task.unknown_threshold == null) throw new Error("there is no threshold for unknown");
const session = await ort.InferenceSession.create(await readFile(model)), feeds = {};
let first, count;
for (const { name, dtype, shape, scale, zero_point } of artifact.inputs) {
  const contract = inputs.length > 1 ? inputs.find((each) => each.name === name) : inputs[0], size = sizeOf(shape);
  const given = reals(numbersOf[contract.kind](inputs.length > 1 ? whole[contract.name] : whole, contract), contract);
  if (!given.every(Number.isFinite)) throw new Error("numbers must be finite in float32");
  first ??= given;
  count = given.length / size;
  // Half to even, as every runtime rounds.
  const rint = (value) => (Math.abs(value % 1) === 0.5 ? 2 * Math.round(value / 2) : Math.round(value));
  const low = dtype === "uint8" ? 0 : -128;
  const integer = (value) => Math.max(low, Math.min(low + 255, rint(fround(value / fround(scale))) + zero_point));
  const values = dtype === "float32" ? given : (dtype === "uint8" ? Uint8Array : Int8Array).from(given, integer);
  feeds[name] = new ort.Tensor(dtype, values, [count, ...shape.slice(1)]);
}
const { data } = (await session.run(feeds))[session.outputNames[0]], width = data.length / count;
const { scale, zero_point } = artifact.outputs[0];
const real = (value) => (scale ? (value - zero_point) * fround(scale) : value);
for (let i = 0; i < count; i++) {
  const row = Array.from(data.subarray(i * width, (i + 1) * width), real);
  const answer = answerOf[task.kind](row, first.subarray((i * first.length) / count));
  if (!("label" in answer ? answer.probabilities : row).every(Number.isFinite)) throw new Error("the model gives NaN or infinity: that is no answer");
  console.log(JSON.stringify(answer));
}
