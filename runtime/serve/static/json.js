// Everything else: inputs as JSON, as a program would send them; signals are drawn.

import { describe } from "./answers.js";
import { drawLines } from "./chart.js";
import { onlyInput } from "./engines.js";
import { rowNumbers } from "./features.js";
import { atRate, motionOf, recordMotion } from "./motion.js";
import { Page, byId } from "./page.js";
import { pixelsOf } from "./tensors.js";

/** JSON values of one input as what an engine in the browser takes. */
function numbersOf(values, contract) {
  const given = Array.isArray(values) ? values : [];
  if (contract.kind === "features" && given.length && given.every((row) => row && !Array.isArray(row) && typeof row === "object")) {
    return { numbers: Float64Array.from(given.flatMap((row) => rowNumbers(row, contract))) };
  }
  const flat = given.flat(Infinity);
  return contract.kind === "picture" ? { pixels: pixelsOf(flat, contract.name) } : { numbers: Float64Array.from(flat) };
}

export class JsonPage extends Page {
  constructor(bundle) {
    super(bundle, "json");
    this.contract = onlyInput(bundle);
    this.asked = false;
    document.title = `${bundle.name}: ask with JSON`;
    const address = new URL("v1/predict", document.baseURI).href;
    byId("help").textContent = bundle.default === null
      ? "What is asked stays in this browser."
      : `Programs send the same to  POST ${address}  with the content type application/json.`;
    byId("example").hidden = !bundle.example;
    byId("example").addEventListener("click", () => this.fill());
    byId("ask").addEventListener("click", () => {
      this.asked = true;
      this.ask();
    });
    byId("text").addEventListener("input", () => this.draw());
    this.motion = this.contract?.kind === "signal" ? motionOf(this.contract) : null;
    byId("motion").hidden = !this.motion;
    byId("motion").addEventListener("click", () => this.move());
    new ResizeObserver(() => this.draw()).observe(byId("input"));
    this.fill();
  }

  fill() {
    const { example } = this.bundle;
    const inputs = example === null ? (this.contract ? [] : {}) : this.contract ? [example[this.contract.name]]
      : Object.fromEntries(Object.entries(example).map(([name, value]) => [name, [value]]));
    byId("text").value = JSON.stringify({ inputs });
    this.draw();
  }

  /** One window from the phone's own sensor, and ask. */
  async move() {
    const { steps, rate } = this.contract, round = (value) => Number(value.toPrecision(6));
    byId("motion").disabled = true;
    byId("motion").setAttribute("aria-pressed", "true");
    this.say("Move the phone ...");
    try {
      const moments = await recordMotion(this.motion, (steps - 1) / rate, (sofar) => {
        if (sofar.length > 1) drawLines(byId("chart"), this.motion.map((_, k) => sofar.map((moment) => moment[k + 1])), this.contract.channels);
      });
      byId("text").value = JSON.stringify({ inputs: [atRate(moments, steps, rate).map((step) => step.map(round))] });
      this.draw();
      this.asked = true;
      await this.ask();
    } catch (error) {
      this.say(error.message);
    }
    byId("motion").disabled = false;
    byId("motion").setAttribute("aria-pressed", "false");
  }

  /** A signal's first window, one line a channel. */
  draw() {
    const chart = byId("chart");
    let window = null;
    try {
      const { inputs } = JSON.parse(byId("text").value);
      window = Array.isArray(inputs?.[0]?.[0]) ? inputs[0] : inputs;
    } catch {
      // Half a text is no JSON yet.
    }
    const names = this.contract?.kind === "signal" ? this.contract.channels : [];
    chart.hidden = names.length === 0 || !Array.isArray(window?.[0]);
    if (!chart.hidden) drawLines(chart, names.map((_, k) => window.map((step) => Number(step[k]) || 0)), names);
  }

  request() {
    if (!this.asked) return null;
    const text = byId("text").value;
    let inputs;
    try {
      ({ inputs } = JSON.parse(text));
    } catch (error) {
      throw new Error(`This is no JSON: ${error.message}`);
    }
    const request = { type: "application/json", body: text };
    const stated = this.bundle.contract.inputs;
    try {
      if (this.contract) return { ...request, ...numbersOf(inputs, this.contract) };
      const found = stated.map((contract) => [contract.name, numbersOf(inputs?.[contract.name], contract)]);
      return { ...request, inputs: Object.fromEntries(found) };
    } catch (error) {
      // The server may answer what this page does not read.
      return { ...request, problem: error.message };
    }
  }

  show(answers) {
    const rows = answers.find((each) => each) ?? [];
    const read = rows.map((row) => describe(row, this.bundle));
    this.head(read.map(({ answer }) => answer).filter((answer) => answer).join(", "));
    this.say(rows.length ? `Answer: ${read.map(({ spoken }) => spoken).join("; ")}` : "Nothing yet: change the JSON, and ask.");
    super.show(answers);
  }
}
