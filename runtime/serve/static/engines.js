// Where an artifact runs: on the server that sent the page, or in this browser. Both answer
// {probabilities: [[...], ...], inferenceMs, roundTripMs or null}.

import { dequantize, encodePixels, probabilities } from "./tensors.js";

const KEY = "edgepress-api-key";

export class KeyNeededError extends Error {}

export const storeKey = (key) => sessionStorage.setItem(KEY, key);

/** The artifacts that can run from here, each with where. */
export function choices(bundle) {
  const found = [];
  for (const artifact of bundle.artifacts) {
    if (bundle.default !== null) found.push({ artifact, where: "server" });
    if (bundle.browser_runtime && artifact.format === "onnx" && artifact.inputs.length === 1) {
      found.push({ artifact, where: "browser" });
    }
  }
  return found;
}

export function makeEngine({ artifact, where }, bundle) {
  return where === "server" ? new ServerEngine(artifact) : new BrowserEngine(artifact, bundle);
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
  constructor(artifact) {
    this.url = `v1/predict?artifact=${encodeURIComponent(artifact.file)}`;
  }

  async predict(pixels) {
    const start = performance.now();
    const { response, answer } = await ask(this.url, "application/octet-stream", pixels);
    const timing = /inference;dur=([0-9.]+)/.exec(response.headers.get("server-timing") ?? "");
    return {
      probabilities: answer.probabilities,
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

  /** The first output as the model gives it: {data, dims}. */
  async run(pixels) {
    const { ort, session } = await this.ready;
    const spec = this.artifact.inputs[0];
    const values = encodePixels(pixels, this.bundle.preprocessing, spec);
    const size = spec.shape.slice(1).reduce((a, b) => a * b, 1);
    const dims = [pixels.length / size, ...spec.shape.slice(1)];
    const outputs = await session.run({ [session.inputNames[0]]: new ort.Tensor(spec.dtype, values, dims) });
    return outputs[session.outputNames[0]];
  }

  async predict(pixels) {
    await this.ready;
    const start = performance.now();
    const { data } = await this.run(pixels);
    const inferenceMs = performance.now() - start;
    const real = dequantize(data, this.artifact.outputs[0]);
    return {
      probabilities: probabilities(real, this.bundle.labels.length, this.bundle.output),
      inferenceMs,
      roundTripMs: null,
    };
  }
}
