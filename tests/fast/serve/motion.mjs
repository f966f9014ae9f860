// node motion.mjs MOTION.js < JSON: what motion.js reads of an event for each contract, and moments at a rate of 10 Hz.
import { readFileSync } from "node:fs";

const source = readFileSync(process.argv[2], "utf8");
globalThis.DeviceMotionEvent = class {};
const { atRate, motionOf } = await import(`data:text/javascript,${encodeURIComponent(source)}`);
const [contracts, event, moments] = JSON.parse(readFileSync(0, "utf8"));
const read = contracts.map((contract) => motionOf(contract)?.map((reader) => reader(event)) ?? null);
console.log(JSON.stringify({ read, window: atRate(moments, 4, 10) }));
