// node preprocess_vectors.mjs PREPROCESS.js VECTORS...: prints the vectors whose pixels come out otherwise, as JSON.
import { readFileSync } from "node:fs";

const [module, ...files] = process.argv.slice(2);
const source = readFileSync(module, "utf8");
const { fitPicture } = await import(`data:text/javascript,${encodeURIComponent(source)}`);
const bytes = ({ base64 }) => new Uint8Array(Buffer.from(base64, "base64"));

const wrong = [];
for (const file of files) {
  const { contract, picture, pixels } = JSON.parse(readFileSync(file, "utf8"));
  const [height, width, channels = 1] = picture.shape;
  const fitted = fitPicture({ width, height, channels, data: bytes(picture) }, contract);
  if (Buffer.compare(Buffer.from(fitted), Buffer.from(bytes(pixels))) !== 0) wrong.push(file);
}
console.log(JSON.stringify({ files: files.length, wrong }));
