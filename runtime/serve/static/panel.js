// One side of the comparison: an artifact, what it says, how long it takes.

import { describe } from "./answers.js";
import { makeEngine } from "./engines.js";

const KEPT = 15;
/** Longer answers are written smaller. */
export const LONG = 6;

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
    this.part = (name) => root.querySelector(`[data-part="${name}"]`);
    const select = this.part("choice"), several = (part) => new Set(bundle.artifacts.map((each) => each[part])).size > 1;
    options.forEach(({ artifact, where }, index) => {
      const place = where === "server" ? "server" : "browser";
      const name = several("model") ? `${artifact.model} ${artifact.variant}` : artifact.variant;
      select.add(new Option([name, place, ...(several("format") ? [artifact.format] : [])].join(", "), String(index)));
    });
    select.value = String(chosen);
    select.addEventListener("change", () => {
      this.choose(Number(select.value));
      onChange();
    });
    this.choose(chosen);
  }

  choose(index) {
    const { artifact } = this.options[index];
    this.engine = makeEngine(this.options[index], this.bundle);
    this.times = [];
    this.part("size").textContent = size(artifact.bytes);
    this.part("time").textContent = "–";
  }

  /** Ask the engine about all examples; returns the rows. A failure is shown, and thrown on. */
  async predict(request) {
    const engine = this.engine;
    try {
      const { rows, inferenceMs, roundTripMs } = await engine.predict(request);
      if (engine === this.engine) {
        this.times = [...this.times, { inferenceMs, roundTripMs }].slice(-KEPT);
        const parts = [`${time(median(this.times.map((t) => t.inferenceMs)))} model`];
        if (roundTripMs !== null) parts.push(`${time(median(this.times.map((t) => t.roundTripMs)))} with network`);
        this.part("time").textContent = parts.join(", ");
        this.part("problem").hidden = true;
      }
      return rows;
    } catch (error) {
      // fetch throws a TypeError where there is no network.
      if (error instanceof TypeError && this.moveToBrowser()) return this.predict(request);
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

  /** Show the answer about one example, or nothing for null. */
  show(row) {
    const empty = { answer: "–", note: "", bars: this.emptyBars(), raw: undefined };
    const { answer, note, bars, raw } = row === null ? empty : describe(row, this.bundle);
    this.part("answer").textContent = answer;
    this.part("answer").classList.toggle("long", answer.length > LONG);
    this.part("confidence").textContent = note;
    this.part("raw").hidden = raw === undefined;
    this.part("raw").textContent = raw ?? "";
    this.showBars(bars);
  }

  /** Before there is an answer, the names of what it will hold. */
  emptyBars() {
    const { task, labels } = this.bundle;
    return task.kind === "raw" ? [] : labels.map((label) => ({ label, share: 0, value: "", best: false }));
  }

  showBars(bars) {
    const list = this.part("bars");
    while (list.children.length > bars.length) list.lastChild.remove();
    while (list.children.length < bars.length) {
      const item = list.appendChild(document.createElement("li"));
      item.innerHTML = '<span class="label"></span><span class="track"><span class="bar"></span></span><span class="value"></span>';
    }
    bars.forEach(({ label, share, value, best }, i) => {
      const item = list.children[i], [name, track, number] = item.children;
      item.classList.toggle("best", best);
      item.classList.toggle("plain", share === null);
      name.textContent = label;
      track.firstChild.style.width = `${(share ?? 0) * 100}%`;
      number.textContent = value;
    });
  }
}
