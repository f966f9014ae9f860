// node tensors.mjs TENSORS.js < JSON: the input tensor and the probabilities that tensors.js computes, as JSON.
import { readFileSync } from "node:fs";

const source = readFileSync(process.argv[2], "utf8");
const { dequantize, encodePixels, probabilities } = await import(`data:text/javascript,${encodeURIComponent(source)}`);
const { contract, input, output, pixels, values } = JSON.parse(readFileSync(0, "utf8"));
console.log(
  JSON.stringify({
    values: Array.from(encodePixels(pixels, contract, input)),
    probabilities: probabilities(dequantize(values, output), 10, "logits"),
  }),
);
