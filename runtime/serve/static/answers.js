// What a task's answer says: from the server's JSON or from real outputs to rows, and from a row to words and bars.
//
// A row is one example's answer: {probabilities}, {labels, probabilities}, {values}, {score, normal}, or {outputs}.

import { logistic, probabilities } from "./tensors.js";
import { verdict } from "./verdict.js";

const percent = (share) => `${(share * 100).toFixed(1)} %`;
const short = (value) => String(Number(value.toPrecision(5)));

/** Flat numbers as nested lists. */
function nested(values, [size, ...rest]) {
  if (size === undefined) return values[0];
  const each = values.length / size;
  return Array.from({ length: size }, (_, i) => nested(values.subarray(i * each, (i + 1) * each), rest));
}

const classes = {
  ofServer: (answer) => answer.probabilities.map((row) => ({ probabilities: row })),
  ofOutputs: ([outputs], bundle) => {
    const { task, labels } = bundle, single = labels.length === 2 && task.kind === "binary" && outputs.length === outputs.count;
    if (single) {
      const yes = Array.from(outputs, (value) => (task.meaning === "logits" ? logistic(value) : value));
      return yes.map((share) => ({ probabilities: [Math.fround(1 - share), share] }));
    }
    const rows = probabilities(outputs, outputs.length / outputs.count, task.meaning);
    if (task.kind === "binary" && task.meaning === "probabilities") {
      return rows.map((row) => ({ probabilities: row.map((share) => share / (row[0] + row[1] || 1)) }));
    }
    return rows.map((row) => ({ probabilities: row }));
  },
  describe: ({ probabilities: row }, bundle) => {
    const { index, share, unknown } = verdict(row, bundle), label = bundle.labels[index] ?? String(index);
    return {
      answer: unknown ? "?" : label,
      note: unknown ? `perhaps ${label}` : percent(share),
      spoken: unknown ? "unknown" : label,
      bars: row.map((each, i) => ({
        label: bundle.labels[i] ?? String(i), share: each, value: percent(each), best: i === index,
      })),
    };
  },
};

const sets = {
  ofServer: (answer) => answer.labels.map((labels, i) => ({ labels, probabilities: answer.probabilities[i] })),
  ofOutputs: ([outputs], { task, labels }) => {
    const width = outputs.length / outputs.count;
    return Array.from({ length: outputs.count }, (_, i) => {
      const row = Array.from(outputs.subarray(i * width, (i + 1) * width), (value) =>
        task.meaning === "logits" ? logistic(value) : value,
      );
      return { labels: labels.filter((_, k) => row[k] >= Math.fround(task.threshold)), probabilities: row };
    });
  },
  describe: ({ labels: chosen, probabilities: row }, { labels }) => {
    const text = chosen.join(", ") || "none";
    const bars = row.map((share, i) => ({ label: labels[i], share, value: percent(share), best: chosen.includes(labels[i]) }));
    return { answer: text, note: "", spoken: text, bars };
  },
};

const values = {
  ofServer: (answer) => answer.values.map((row) => ({ values: row })),
  ofOutputs: ([outputs], { task, labels }) => {
    const width = outputs.length / outputs.count;
    return Array.from({ length: outputs.count }, (_, i) => {
      const row = Array.from(outputs.subarray(i * width, (i + 1) * width), (value, k) =>
        Math.fround(task.mean.length ? value * task.std[k] + task.mean[k] : value),
      );
      return { values: Object.fromEntries(row.map((value, k) => [labels[k] ?? `value${k}`, value])) };
    });
  },
  describe: ({ values: row }, { task }) => {
    const texts = Object.values(row).map((value, k) => `${short(value)} ${task.units[k] ?? ""}`.trim());
    const text = texts.length === 1 ? texts[0] : Object.keys(row).map((name, k) => `${name} ${texts[k]}`).join(", ");
    const bars = Object.keys(row).map((label, k) => ({ label, share: null, value: texts[k], best: false }));
    return { answer: texts.length === 1 ? text : "", note: "", spoken: text, bars };
  },
};

const scores = {
  ofServer: (answer) => answer.scores.map((score, i) => ({ score, normal: answer.normal[i] })),
  ofOutputs: ([outputs], { task }, reals) => {
    const width = outputs.length / outputs.count;
    return Array.from({ length: outputs.count }, (_, i) => {
      let sum = 0;
      for (let k = i * width; k < (i + 1) * width; k++) sum += (reals[k] - outputs[k]) ** 2;
      const score = Math.fround(sum / width);
      return { score, normal: score <= Math.fround(task.threshold) };
    });
  },
  describe: ({ score, normal }, { task }) => {
    const text = normal ? "normal" : "not normal", share = Math.min(1, score / (2 * task.threshold || 1));
    const bars = [
      { label: "score", share, value: short(score), best: !normal },
      { label: "threshold", share: 0.5, value: short(task.threshold), best: false },
    ];
    return { answer: text, note: `score ${short(score)}`, spoken: text, bars };
  },
};

const raw = {
  ofServer: (answer) => [{ outputs: answer.outputs }],
  ofOutputs: (outputs, { artifact }) => [
    { outputs: Object.fromEntries(outputs.map((each, i) => [artifact.outputs[i].name, nested(each, each.dims)])) },
  ],
  describe: ({ outputs }) => {
    const text = Object.keys(outputs).join(", ");
    // Numbers are float32, which hold seven digits.
    const plain = JSON.stringify(outputs, (_, value) => (typeof value === "number" ? Number(value.toPrecision(7)) : value));
    return { answer: "", note: "", spoken: text, bars: [], raw: plain.slice(0, 5000) };
  },
};

const TASKS = { multiclass: classes, binary: classes, multilabel: sets, regression: values, anomaly: scores, raw };

/** Rows of what `v1/predict` answered. */
export const rowsOfServer = (answer, bundle) => TASKS[bundle.task.kind].ofServer(answer);

/**
 * Rows of a model's real outputs: Float32Arrays with their `dims`, and `count`, how many examples they hold. Throws where
 * they are no answer, as the runtime does.
 */
export function rowsOfOutputs(outputs, bundle, artifact, reals) {
  const task = TASKS[bundle.task.kind], rows = task.ofOutputs(outputs, { ...bundle, artifact }, reals);
  const numbers = task === classes ? rows.map((row) => row.probabilities) : outputs;
  if (!numbers.every((each) => each.every(Number.isFinite))) {
    throw new Error(`${artifact.file} gives NaN or infinity for this input: that is no answer`);
  }
  return rows;
}

/** {answer, note, spoken, bars: [{label, share or null, value, best}], raw}. */
export const describe = (row, bundle) => TASKS[bundle.task.kind].describe(row, bundle);
