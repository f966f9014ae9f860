// One side of the comparison: an artifact, what it says, how long it takes.

import { makeEngine } from "./engines.js";
import { verdict } from "./verdict.js";

const KEPT = 15;

const median = (values) => values.slice().sort((a, b) => a - b)[values.length >> 1];
const time = (ms) => (ms < 1 ? `${Math.round(ms * 1000)} µs` : `${ms.toFixed(1)} ms`);
const size = (bytes) => `${(bytes / 1000).toFixed(bytes < 100_000 ? 1 : 0)} KB`;

export class Panel {
  /** `root` holds the elements of the panel's template; `options` are the engines to choose from. */
  constructor(root, bundle, options, chosen, onChange) {
    this.root = root;
    this.bundle = bundle;
    this.options = options;
    this.onChange = onChange;
    this.bars = [];
    this.part = (name) => root.querySelector(`[data-part="${name}"]`);
    const select = this.part("choice"), several = new Set(bundle.artifacts.map(({ model }) => model)).size > 1;
    options.forEach(({ artifact, where }, index) => {
      const place = where === "server" ? "server" : "this browser";
      const name = several ? `${artifact.model} ${artifact.variant}` : artifact.variant;
      select.add(new Option(`${name}, ${place}, ${artifact.format}`, String(index)));
    });
    select.value = String(chosen);
    select.addEventListener("change", () => {
      this.choose(Number(select.value));
      onChange();
    });
    const list = this.part("bars");
    for (const label of bundle.labels) {
      const item = list.appendChild(document.createElement("li"));
      item.innerHTML = '<span class="label"></span><span class="track"><span class="bar"></span></span><span class="value"></span>';
      item.children[0].textContent = label;
      this.bars.push(item);
    }
    this.choose(chosen);
  }

  choose(index) {
    const { artifact } = this.options[index];
    this.engine = makeEngine(this.options[index], this.bundle);
    this.times = [];
    this.part("size").textContent = size(artifact.bytes);
    this.part("time").textContent = "–";
  }

  /** Ask the engine for all digits; returns the probabilities. A failure is shown, and thrown on. */
  async predict(pixels) {
    const engine = this.engine;
    try {
      const { probabilities, inferenceMs, roundTripMs } = await engine.predict(pixels);
      if (engine === this.engine) {
        this.times = [...this.times, { inferenceMs, roundTripMs }].slice(-KEPT);
        const parts = [`${time(median(this.times.map((t) => t.inferenceMs)))} model`];
        if (roundTripMs !== null) parts.push(`${time(median(this.times.map((t) => t.roundTripMs)))} with network`);
        this.part("time").textContent = parts.join(", ");
        this.part("problem").hidden = true;
      }
      return probabilities;
    } catch (error) {
      // fetch throws a TypeError where there is no network.
      if (error instanceof TypeError && this.moveToBrowser()) return this.predict(pixels);
      this.part("problem").textContent = error.message;
      this.part("problem").hidden = false;
      throw error;
    }
  }

  /** Without the server, go on with the same variant in the browser; false where that is not at hand. */
  moveToBrowser() {
    const current = this.options[Number(this.part("choice").value)];
    const index = this.options.findIndex(
      ({ artifact, where }) => where === "browser" && artifact.variant === current.artifact.variant,
    );
    if (current.where === "browser" || index < 0) return false;
    this.part("choice").value = String(index);
    this.choose(index);
    return true;
  }

  /** Show the probabilities of one digit, or nothing for null. */
  show(row) {
    const { index: best, share, unknown } = row === null ? { index: -1 } : verdict(row, this.bundle);
    const percent = row === null ? "" : `${(share * 100).toFixed(1)} %`;
    this.part("answer").textContent = row === null ? "–" : unknown ? "?" : this.bundle.labels[best];
    this.part("confidence").textContent = unknown ? `perhaps ${this.bundle.labels[best]}` : percent;
    this.bars.forEach((item, i) => {
      const share = row === null ? 0 : row[i];
      item.classList.toggle("best", i === best);
      item.querySelector(".bar").style.width = `${share * 100}%`;
      item.querySelector(".value").textContent = row === null ? "" : `${(share * 100).toFixed(1)} %`;
    });
  }
}
