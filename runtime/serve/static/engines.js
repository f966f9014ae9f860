// Where an artifact runs: on the server that sent the page, or in this browser. Both answer
// {rows: [...], inferenceMs, roundTripMs or null}; answers.js says what rows are.
//
// A request is {type, body} for the server and {pixels} or {numbers} for the browser; of several inputs {inputs}, which
// holds these by name.

import { rowsOfOutputs, rowsOfServer } from "./answers.js";
import { ARRAYS, dequantize, encodeNumbers, encodePixels } from "./tensors.js";

const KEY = "edgepress-api-key";

/** Kinds of input that this page prepares by itself, bit for bit as Python does (recordings: of the contract's rate). */
const PREPARED = ["picture", "features", "signal", "audio", "tensor"];

export class KeyNeededError extends Error {}

export const storeKey = (key) => sessionStorage.setItem(KEY, key);

/** The one input of the contract; undefined where there are several. */
export const onlyInput = ({ contract: { inputs } }) => (inputs.length === 1 ? inputs[0] : undefined);

/** The artifacts that can run from here, each with where. */
export function choices(bundle) {
  const found = [], stated = bundle.contract.inputs;
  const here = bundle.browser_runtime && stated.every(({ kind }) => PREPARED.includes(kind));
  for (const artifact of bundle.artifacts) {
    if (bundle.default !== null) found.push({ artifact, where: "server" });
    const fits = artifact.inputs.length === stated.length && artifact.inputs.every(({ dtype }) => dtype in ARRAYS);
    if (here && fits && artifact.format === "onnx") found.push({ artifact, where: "browser" });
  }
  return found;
}

export function makeEngine({ artifact, where }, bundle) {
  return where === "server" ? new ServerEngine(artifact, bundle) : new BrowserEngine(artifact, bundle);
}

/** POST to this page's server; returns the response and its JSON. */
async function ask(url, type, body) {
  const headers = { "content-type": type };
  const key = sessionStorage.getItem(KEY);
  if (key) headers.authorization = `Bearer ${key}`;
  const response = await fetch(url, { method: "POST", headers, body });
  const answer = await response.json();
  if (response.status === 401) throw new KeyNeededError(answer.error);
  if (!response.ok) throw new Error(answer.error);
  return { response, answer };
}

/** Every object on a page, a PNG: the pixels that a model sees of each, and its box {left, top, right, bottom}. */
export async function readPage(png) {
  const { answer } = await ask("v1/predict?layout=page&images=true", "image/png", png);
  return answer.images.map((image, i) => ({ pixels: Uint8Array.from(image.flat(2)), box: answer.boxes[i] }));
}

class ServerEngine {
  constructor(artifact, bundle) {
    this.bundle = bundle;
    this.url = `v1/predict?artifact=${encodeURIComponent(artifact.file)}`;
  }

  async predict({ type, body }) {
    const start = performance.now();
    const { response, answer } = await ask(this.url, type, body);
    const timing = /inference;dur=([0-9.]+)/.exec(response.headers.get("server-timing") ?? "");
    return {
      rows: rowsOfServer(answer, this.bundle),
      inferenceMs: timing ? Number(timing[1]) : null,
      roundTripMs: performance.now() - start,
    };
  }
}

let runtime = null;

/** onnxruntime-web, loaded once; one thread, files from this origin only. */
async function loadRuntime(base) {
  runtime ??= (async () => {
    const ort = await import(new URL(`${base}ort.wasm.bundle.min.mjs`, document.baseURI));
    ort.env.wasm.numThreads = 1;
    ort.env.wasm.wasmPaths = { wasm: new URL(`${base}ort-wasm-simd-threaded.wasm`, document.baseURI).href };
    return ort;
  })();
  return runtime;
}

export class BrowserEngine {
  constructor(artifact, bundle) {
    this.artifact = artifact;
    this.bundle = bundle;
    this.ready = this.load();
    this.ready.catch(() => {});
  }

  async load() {
    const [ort, response] = await Promise.all([
      loadRuntime(this.bundle.browser_runtime),
      fetch(`artifacts/${encodeURIComponent(this.artifact.file)}`),
    ]);
    if (!response.ok) throw new Error(`${this.artifact.file} cannot be fetched (${response.status})`);
    const session = await ort.InferenceSession.create(await response.arrayBuffer(), { executionProviders: ["wasm"] });
    return { ort, session };
  }

  /** For each of the artifact's inputs what it is given, with its contract. */
  given(request) {
    const { inputs } = this.bundle.contract;
    return this.artifact.inputs.map((spec) => {
      const contract = inputs.length === 1 ? inputs[0] : inputs.find(({ name }) => name === spec.name);
      return { spec, contract, ...(request.inputs?.[spec.name] ?? request) };
    });
  }

  /** The outputs as the model gives them, [{data, dims}, ...], for a request. */
  async run(request) {
    if (request.problem) throw new Error(request.problem);
    const { ort, session } = await this.ready, feeds = {}, counts = [];
    this.given(request).forEach(({ spec, contract, pixels, numbers }, i) => {
      const size = spec.shape.slice(1).reduce((a, b) => a * b, 1), given = pixels ?? numbers ?? [];
      if (given.length === 0 || given.length % size !== 0 || !given.every(Number.isFinite)) {
        const name = counts.length || this.artifact.inputs.length > 1 ? `${spec.name}: ` : "";
        throw new Error(`${name}${given.length} numbers: send a multiple of ${size}, ${size} for one example.`);
      }
      const values = encode({ contract, pixels, numbers }, spec);
      counts.push(values.length / size);
      const name = session.inputNames.includes(spec.name) ? spec.name : session.inputNames[i];
      feeds[name] = new ort.Tensor(spec.dtype, values, [values.length / size, ...spec.shape.slice(1)]);
    });
    if (new Set(counts).size > 1) throw new Error(`The inputs hold ${counts.join(", ")} examples: send as many of each.`);
    const outputs = await session.run(feeds);
    return this.artifact.outputs.map(({ name }, i) => outputs[name] ?? outputs[session.outputNames[i]]);
  }

  async predict(request) {
    await this.ready;
    const start = performance.now();
    const outputs = await this.run(request);
    const inferenceMs = performance.now() - start;
    const reals = outputs.map(({ data, dims }, i) =>
      Object.assign(dequantize(data, this.artifact.outputs[i]), { dims, count: dims[0] ?? 1 }),
    );
    const given = encode(this.given(request)[0], REAL);
    return { rows: rowsOfOutputs(reals, this.bundle, this.artifact, given), inferenceMs, roundTripMs: null };
  }
}

/** What an input is given as the values of the tensor `spec`. */
const encode = ({ contract, pixels, numbers }, spec) =>
  pixels ? encodePixels(pixels, contract, spec) : encodeNumbers(numbers, contract, spec);

/** The input as real numbers. */
const REAL = { dtype: "float32", scale: null };
