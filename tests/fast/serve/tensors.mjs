// node tensors.mjs TENSORS.js < JSON: the input table and the probabilities that tensors.js computes, as JSON.
import { readFileSync } from "node:fs";

const source = readFileSync(process.argv[2], "utf8");
const { dequantize, pixelTable, probabilities } = await import(`data:text/javascript,${encodeURIComponent(source)}`);
const { contract, input, output, values } = JSON.parse(readFileSync(0, "utf8"));
console.log(
  JSON.stringify({
    table: Array.from(pixelTable(contract, input)),
    probabilities: probabilities(dequantize(values, output), 10, "logits"),
  }),
);
