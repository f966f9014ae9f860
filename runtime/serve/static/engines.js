// Where an artifact runs: on the server that sent the page, or in this browser. Both answer
// {rows: [...], inferenceMs, roundTripMs or null}; answers.js says what rows are.
//
// A request is {type, body} for the server and {pixels} or {numbers} for the browser.

import { rowsOfOutputs, rowsOfServer } from "./answers.js";
import { ARRAYS, dequantize, encodeNumbers, encodePixels, normalize } from "./tensors.js";

const KEY = "edgepress-api-key";

/** Kinds of input that this page prepares by itself, bit for bit as Python does (recordings: of the contract's rate). */
const PREPARED = ["picture", "features", "signal", "audio", "tensor"];

export class KeyNeededError extends Error {}

export const storeKey = (key) => sessionStorage.setItem(KEY, key);

/** The one input of the contract; undefined where there are several. */
export const onlyInput = ({ contract: { inputs } }) => (inputs.length === 1 ? inputs[0] : undefined);

/** The artifacts that can run from here, each with where. */
export function choices(bundle) {
  const found = [], only = onlyInput(bundle);
  const here = bundle.browser_runtime && only && PREPARED.includes(only.kind);
  for (const artifact of bundle.artifacts) {
    if (bundle.default !== null) found.push({ artifact, where: "server" });
    if (here && artifact.format === "onnx" && artifact.inputs.length === 1 && artifact.inputs[0].dtype in ARRAYS) {
      found.push({ artifact, where: "browser" });
    }
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

  /** The outputs as the model gives them, [{data, dims}, ...], for {pixels} or {numbers}. */
  async run({ pixels, numbers, problem }) {
    if (problem) throw new Error(problem);
    const { ort, session } = await this.ready;
    const spec = this.artifact.inputs[0];
    const size = spec.shape.slice(1).reduce((a, b) => a * b, 1), given = pixels ?? numbers ?? [];
    if (given.length === 0 || given.length % size !== 0 || !given.every(Number.isFinite)) {
      throw new Error(`${given.length} numbers: send a multiple of ${size}, ${size} for one example.`);
    }
    const values = pixels ? encodePixels(pixels, this.bundle.preprocessing, spec) : encodeNumbers(numbers, onlyInput(this.bundle), spec);
    const dims = [values.length / size, ...spec.shape.slice(1)];
    const outputs = await session.run({ [session.inputNames[0]]: new ort.Tensor(spec.dtype, values, dims) });
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
    const contract = onlyInput(this.bundle), { pixels, numbers } = request;
    const given = pixels ? normalize(pixels, this.bundle.preprocessing) : encodeNumbers(numbers, contract, REAL);
    return { rows: rowsOfOutputs(reals, this.bundle, this.artifact, given), inferenceMs, roundTripMs: null };
  }
}

/** The input as real numbers. */
const REAL = { dtype: "float32", scale: null };
