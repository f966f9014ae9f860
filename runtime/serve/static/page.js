// What every page does: two artifacts side by side, the key, and one question at a time.

import { KeyNeededError, choices, storeKey } from "./engines.js";
import { LONG, Panel } from "./panel.js";

export const byId = (id) => document.getElementById(id);

/** A page for one kind of input. Its own class puts controls into #input and makes requests of what they hold. */
export class Page {
  /** `template` is the id of the controls' template. */
  constructor(bundle, template) {
    this.bundle = bundle;
    this.selected = 0;
    this.answers = [];
    this.busy = this.again = false;
    byId("input").append(byId(template).content.cloneNode(true));
    byId("name").textContent = bundle.name;
    this.afterKey = () => this.ask();
    byId("key-form").addEventListener("submit", (event) => {
      event.preventDefault();
      storeKey(byId("key").value);
      byId("key-form").hidden = true;
      this.afterKey();
      this.afterKey = () => this.ask();
    });
    const options = choices(bundle), chosen = firstChoices(options, bundle.default_model);
    this.panels = chosen.map((index) => {
      const root = byId("panel").content.cloneNode(true).firstElementChild;
      byId("panels").append(root);
      return new Panel(root, bundle, options, index, () => this.ask());
    });
    this.runs = options.length > 0;
  }

  /** Called once the page's own class is made. */
  start() {
    this.show([]);
    if (!this.runs) throw new Error("this bundle has no artifact that runs here: export one for the browser, or serve it");
  }

  /** What the controls hold as a question to the engines; null for nothing. Throws an Error that says what to mend. */
  request() {
    return null;
  }

  /** Ask both panels; while they work, only the latest state waits. */
  async ask() {
    if (this.busy) {
      this.again = true;
      return;
    }
    this.setBusy(true);
    do {
      this.again = false;
      await this.askNow();
    } while (this.again);
    this.setBusy(false);
  }

  setBusy(busy) {
    this.busy = busy;
    byId("panels").setAttribute("aria-busy", String(busy));
  }

  async askNow() {
    let request;
    try {
      request = this.request();
    } catch (error) {
      this.show([]);
      this.say(error.message);
      return;
    }
    if (request === null) {
      this.show([]);
      return;
    }
    const answers = await Promise.allSettled(this.panels.map((panel) => panel.predict(request)));
    if (answers.some(({ reason }) => reason instanceof KeyNeededError)) byId("key-form").hidden = false;
    if (!this.again) this.show(answers.map(({ value }) => value ?? null));
  }

  /** Show answers: one list of rows for each panel, null where it failed; none where nothing was asked. */
  show(answers) {
    this.answers = answers;
    this.panels.forEach((panel, i) => panel.show(answers[i]?.[this.selected] ?? null));
  }

  /** The answer in a word, in the page's head. `several` answers in a row are no long one. */
  head(text, several = false) {
    byId("result").textContent = text;
    byId("result").classList.toggle("long", !several && text.length > LONG);
  }

  say(text) {
    byId("status").classList.remove("unseen");
    byId("status").textContent = text;
  }

  needKey(afterwards) {
    byId("key-form").hidden = false;
    this.afterKey = afterwards;
  }
}

/** The float model beside the default model's int8 where the bundle has both, on the server where there is one. */
function firstChoices(options, defaultModel) {
  const find = (variant, own) =>
    options.findIndex(({ artifact }) => artifact.variant === variant && (artifact.model === defaultModel) === own);
  const first = (...indices) => indices.find((index) => index >= 0);
  const found = [
    first(find("float32", false), find("float32", true)),
    first(find("int8", true), find("int8", false)),
  ].filter((index) => index !== undefined);
  const rest = options.map((_, index) => index).filter((index) => !found.includes(index));
  return [...found, ...rest].slice(0, 2);
}
