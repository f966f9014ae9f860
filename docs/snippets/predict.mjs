// JavaScript in Node or a browser: npm install onnxruntime-web, then node predict.mjs BUNDLE/pressed-int8.onnx PIXELS
import { readFile } from "node:fs/promises";
import * as ort from "onnxruntime-web";

const [model, file] = process.argv.slice(2);
const session = await ort.InferenceSession.create(await readFile(model));
// 784 grey pixels, 0 to 255, light on dark; the manifest's preprocessing says: real = pixel * scale + offset.
const pixels = Float32Array.from(await readFile(file), (pixel) => pixel * Math.fround(1 / 255));
const input = new ort.Tensor("float32", pixels, [1, pixels.length]);
const { [session.outputNames[0]]: output } = await session.run({ [session.inputNames[0]]: input });
const scores = Array.from(output.data);
console.log(scores.indexOf(Math.max(...scores)), JSON.stringify(scores));
