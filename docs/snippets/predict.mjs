// JavaScript in Node or a browser: npm install onnxruntime-web, then node predict.mjs BUNDLE/pressed-int8.onnx
import { readFile } from "node:fs/promises";
import * as ort from "onnxruntime-web";

const session = await ort.InferenceSession.create(await readFile(process.argv[2]));
// Pixels 0 to 255 as the manifest's preprocessing says: real = pixel * scale + offset.
const pixels = new Float32Array(784);
const input = new ort.Tensor("float32", pixels, [1, 784]);
const { [session.outputNames[0]]: output } = await session.run({ [session.inputNames[0]]: input });
const scores = Array.from(output.data);
console.log(scores.indexOf(Math.max(...scores)), scores);
