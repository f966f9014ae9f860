// JavaScript in Node or a browser: npm install onnxruntime-web, then node predict.mjs BUNDLE/pressed-int8.onnx PIXELS
import { readFile } from "node:fs/promises";
import * as ort from "onnxruntime-web";

const [model, file] = process.argv.slice(2);
// What the model was trained on: `contract` in the manifest beside it, `preprocessing` in those of edgepress 0.1.
const manifest = JSON.parse(await readFile(new URL("manifest.json", new URL(model, `file://${process.cwd()}/`)), "utf8"));
const { mean = [0], std = [255] } = manifest.contract?.inputs[0] ?? {};
const { scale = 1 / std[0], offset = -mean[0] / std[0] } = manifest.preprocessing ?? {};
const session = await ort.InferenceSession.create(await readFile(model));
// 784 grey pixels, 0 to 255, light on dark: real = (pixel - mean) / std, in float32.
const real = (pixel) => Math.fround(pixel * Math.fround(scale)) + Math.fround(offset);
const pixels = Float32Array.from(await readFile(file), real);
const input = new ort.Tensor("float32", pixels, [1, pixels.length]);
const { [session.outputNames[0]]: output } = await session.run({ [session.inputNames[0]]: input });
const scores = Array.from(output.data);
console.log(scores.indexOf(Math.max(...scores)), JSON.stringify(scores));
