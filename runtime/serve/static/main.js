// The page: what is drawn or uploaded becomes digits, digits become the model's pixels, two artifacts say what they see.

import { KeyNeededError, choices, readPage, storeKey } from "./engines.js";
import { Pad } from "./pad.js";
import { Panel } from "./panel.js";
import { Photo } from "./photo.js";
import { fitPicture } from "./preprocess.js";
import { canvasPicture, digitPicture, groupDigits } from "./strokes.js";
import { verdict } from "./verdict.js";

const LARGEST_SIDE = 1600;
const byId = (id) => document.getElementById(id);

class Page {
  constructor(bundle) {
    this.bundle = bundle;
    this.digits = [];
    this.selected = 0;
    this.busy = this.again = false;
    this.pad = new Pad(byId("pad"));
    this.pad.addEventListener("change", () => this.drawn());
    byId("undo").addEventListener("click", () => this.pad.undo());
    byId("clear").addEventListener("click", () => this.clear());
    this.photo = new Photo(byId("photo"));
    byId("photo").addEventListener("click", (event) => this.select(this.photo.boxAt(event)));
    byId("upload").addEventListener("change", (event) => this.uploaded(event.target, (files) => this.readPictures(files)));
    byId("upload-page").addEventListener("change", (event) => this.uploaded(event.target, ([file]) => this.readPage(file)));
    byId("page-button").hidden = byId("page-help").hidden = !bundle.reads_pages;
    byId("key-form").addEventListener("submit", (event) => {
      event.preventDefault();
      storeKey(byId("key").value);
      byId("key-form").hidden = true;
      this.afterKey();
      this.afterKey = () => this.classify();
    });
    this.afterKey = () => this.classify();
    const options = choices(bundle), chosen = firstChoices(options, bundle.default_model);
    this.panels = chosen.map((index) => {
      const root = byId("panel").content.cloneNode(true).firstElementChild;
      byId("panels").append(root);
      return new Panel(root, bundle, options, index, () => this.classify());
    });
    document.title = `${bundle.name}: draw a digit`;
    byId("name").textContent = bundle.name;
    this.show([]);
    if (options.length === 0) throw new Error("this bundle has no artifact that runs here: export one for the browser");
  }

  clear() {
    this.pad.clear();
    byId("pad").focus();
  }

  /** The drawing changed: cut it into digits, each as the model sees it. */
  drawn() {
    this.photo.hide();
    byId("pad").hidden = false;
    const contract = this.bundle.preprocessing;
    this.digits = groupDigits(this.pad.strokes, this.pad.pen).map((strokes) => fitPicture(digitPicture(strokes), contract));
    this.selected = this.digits.length - 1;
    this.classify();
  }

  /** Files were chosen or taken: `read` makes digits of them. */
  async uploaded(input, read) {
    const files = [...input.files];
    input.value = "";
    if (files.length === 0) return;
    this.pad.clear();
    await this.tryToRead(files, read);
  }

  async tryToRead(files, read) {
    byId("status").classList.remove("unseen");
    byId("status").textContent = "Reading ...";
    try {
      this.digits = await read(files);
    } catch (error) {
      this.digits = [];
      this.show([]);
      // fetch throws a TypeError where there is no network.
      byId("status").textContent = error instanceof TypeError ? "The server is out of reach, and pages need it." : error.message;
      if (error instanceof KeyNeededError) {
        byId("key-form").hidden = false;
        this.afterKey = () => this.tryToRead(files, read);
      }
      return;
    }
    this.selected = 0;
    await this.classify();
    if (this.digits.length === 0) byId("status").textContent = "No digits found: choose a picture with dark digits on light paper.";
  }

  /** One digit on each picture; read here, the pictures go nowhere. */
  async readPictures(files) {
    const contexts = await Promise.all(files.map(readPicture));
    return contexts.map((context) => fitPicture(canvasPicture(context), this.bundle.preprocessing));
  }

  /** Every digit on one picture; the server finds them. */
  async readPage(file) {
    const { canvas } = await readPicture(file);
    const found = await readPage(await canvas.convertToBlob({ type: "image/png" }));
    this.photo.show(canvas, found.map(({ box }) => box));
    byId("pad").hidden = true;
    return found.map(({ pixels }) => pixels);
  }

  /** Ask both panels; while they work, only the latest state waits. */
  async classify() {
    if (this.busy) {
      this.again = true;
      return;
    }
    this.setBusy(true);
    do {
      this.again = false;
      await this.classifyNow();
    } while (this.again);
    this.setBusy(false);
  }

  setBusy(busy) {
    this.busy = busy;
    byId("panels").setAttribute("aria-busy", String(busy));
  }

  async classifyNow() {
    const { digits } = this;
    if (digits.length === 0) {
      this.show([]);
      return;
    }
    const pixels = new Uint8Array(digits.length * digits[0].length);
    digits.forEach((digit, i) => pixels.set(digit, i * digit.length));
    const answers = await Promise.allSettled(this.panels.map((panel) => panel.predict(pixels)));
    if (answers.some(({ reason }) => reason instanceof KeyNeededError)) byId("key-form").hidden = false;
    if (digits === this.digits) this.show(answers.map(({ value }) => value ?? null));
  }

  /** Show answers (one list of rows for each panel, null where it failed) beside what the model sees. */
  show(answers) {
    const { labels, preprocessing } = this.bundle;
    this.answers = answers;
    const read = this.digits.map((_, i) => {
      const row = answers.find((rows) => rows)?.[i];
      if (!row) return { short: "?", long: "no answer" };
      const { index, unknown } = verdict(row, this.bundle);
      return unknown ? { short: "?", long: "unknown" } : { short: labels[index], long: labels[index] };
    });
    const text = read.map(({ short }) => short), spoken = read.map(({ long }) => long);
    byId("result").textContent = text.join(" ");
    // Below the pictures of the digits it repeats the heading, for screen readers alone.
    byId("status").classList.toggle("unseen", this.digits.length > 0);
    byId("status").textContent = this.digits.length ? `Read: ${spoken.join(" ")}` : "Nothing yet: draw one digit, or several in a row.";
    const seen = byId("seen");
    while (seen.children.length > this.digits.length) seen.lastChild.remove();
    this.digits.forEach((digit, i) => {
      const button = seen.children[i] ?? seen.appendChild(this.seenButton(i));
      button.setAttribute("aria-pressed", String(i === this.selected));
      button.setAttribute("aria-label", `Digit ${i + 1}, read as ${spoken[i]}: show its probabilities`);
      paint(button.firstChild, digit, preprocessing);
    });
    this.photo.label(text, this.selected);
    this.panels.forEach((panel, i) => panel.show(answers[i]?.[this.selected] ?? null));
  }

  select(index) {
    if (index < 0) return;
    this.selected = index;
    this.show(this.answers);
  }

  seenButton(index) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(document.createElement("canvas"));
    button.addEventListener("click", () => this.select(index));
    return button;
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

/** A picture file on a canvas of its own, turned upright, at most LARGEST_SIDE long; returns the context. */
async function readPicture(file) {
  const bitmap = await createImageBitmap(file).catch(() => {
    throw new Error("This file is no picture that the browser reads: choose a PNG or JPEG file.");
  });
  const scale = Math.min(1, LARGEST_SIDE / Math.max(bitmap.width, bitmap.height));
  const canvas = new OffscreenCanvas(Math.max(1, Math.round(bitmap.width * scale)), Math.max(1, Math.round(bitmap.height * scale)));
  const context = canvas.getContext("2d");
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  return context;
}

function paint(canvas, pixels, { width, height, channels }) {
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d"), image = context.createImageData(width, height);
  for (let i = 0; i < width * height; i++) {
    for (let c = 0; c < 3; c++) image.data[4 * i + c] = pixels[channels === 1 ? i : 3 * i + c];
    image.data[4 * i + 3] = 255;
  }
  context.putImageData(image, 0, 0);
}

async function start() {
  try {
    const response = await fetch("bundle.json");
    if (!response.ok) throw new Error(`bundle.json cannot be fetched (${response.status})`);
    new Page(await response.json());
  } catch (error) {
    byId("status").textContent = `The page cannot start: ${error.message}`;
  }
  // Only https and this machine itself allow it; elsewhere the page works, but not offline.
  if ("serviceWorker" in navigator) navigator.serviceWorker.register("service-worker.js");
}

start();
