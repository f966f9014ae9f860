// node recordings.mjs RECORDINGS.js < JSON: the window that recordings.js makes of each file, null where it reads none.
import { readFileSync } from "node:fs";

const source = readFileSync(process.argv[2], "utf8");
const { mixed, readWave, resampled, windowOf } = await import(`data:text/javascript,${encodeURIComponent(source)}`);
const { files, contract } = JSON.parse(readFileSync(0, "utf8"));
const windows = files.map((file) => {
  const bytes = readFileSync(file);
  const wave = readWave(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
  return wave && Array.from(windowOf(resampled(mixed(wave.channels), wave.rate, contract.rate), contract));
});
console.log(JSON.stringify(windows));
