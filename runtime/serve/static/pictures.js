// Pictures: what is drawn or uploaded becomes the model's pixels. Where the contract locates objects as MNIST does,
// there is a pad to draw on, and several digits may stand in a row.

import { describe } from "./answers.js";
import { KeyNeededError, readPage } from "./engines.js";
import { Pad } from "./pad.js";
import { Page, byId } from "./page.js";
import { Photo } from "./photo.js";
import { fitPicture } from "./preprocess.js";
import { canvasPicture, digitPicture, groupDigits } from "./strokes.js";

const LARGEST_SIDE = 1600;

const DRAWN = {
  title: "draw a digit",
  thing: "Digit",
  nothing: "Nothing yet: draw one digit, or several in a row.",
  help: "Draw with finger, pen or mouse. Keys: arrows move, Space puts the pen down and lifts it, Backspace undoes, Escape " +
    "clears. A picture holds one digit; it is read here and leaves this device only as the pixels that you see.",
  pages: " A page holds many; the server that sent this page looks for them.",
};
const TAKEN = {
  title: "show a picture",
  thing: "Picture",
  nothing: "Nothing yet: choose a picture, or take one.",
  help: "Choose one picture or several. Each is scaled here and leaves this device only as the pixels that you see.",
  pages: "",
};

export class PicturesPage extends Page {
  constructor(bundle) {
    super(bundle, "pictures");
    const draws = bundle.preprocessing.fit === "mnist";
    this.words = draws ? DRAWN : TAKEN;
    this.digits = [];
    this.pad = new Pad(byId("pad"));
    this.draws = draws;
    byId("pad").hidden = byId("undo").hidden = !draws;
    byId("camera-button").hidden = draws;
    byId("seen").classList.toggle("large", !draws);
    byId("seen-title").textContent = "What the model sees";
    this.pad.addEventListener("change", () => this.drawn());
    byId("undo").addEventListener("click", () => this.pad.undo());
    byId("clear").addEventListener("click", () => this.clear());
    this.photo = new Photo(byId("photo"));
    byId("photo").addEventListener("click", (event) => this.select(this.photo.boxAt(event)));
    for (const id of ["upload", "camera"]) {
      byId(id).addEventListener("change", (event) => this.uploaded(event.target, (files) => this.readPictures(files)));
    }
    byId("upload-page").addEventListener("change", (event) => this.uploaded(event.target, ([file]) => this.readPage(file)));
    byId("page-button").hidden = !bundle.reads_pages;
    byId("help").textContent = this.words.help + (bundle.reads_pages ? this.words.pages : "");
    document.title = `${bundle.name}: ${this.words.title}`;
  }

  clear() {
    this.pad.clear();
    if (this.draws) byId("pad").focus();
  }

  /** The drawing changed: cut it into digits, each as the model sees it. */
  drawn() {
    this.photo.hide();
    byId("pad").hidden = !this.draws;
    const contract = this.bundle.preprocessing;
    this.digits = groupDigits(this.pad.strokes, this.pad.pen).map((strokes) => fitPicture(digitPicture(strokes), contract));
    this.selected = this.digits.length - 1;
    this.ask();
  }

  /** Files were chosen or taken: `read` makes pixels of them. */
  async uploaded(input, read) {
    const files = [...input.files];
    input.value = "";
    if (files.length === 0) return;
    this.pad.clear();
    await this.tryToRead(files, read);
  }

  async tryToRead(files, read) {
    this.say("Reading ...");
    try {
      this.digits = await read(files);
    } catch (error) {
      this.digits = [];
      this.show([]);
      // fetch throws a TypeError where there is no network.
      this.say(error instanceof TypeError ? "The server is out of reach, and pages need it." : error.message);
      if (error instanceof KeyNeededError) this.needKey(() => this.tryToRead(files, read));
      return;
    }
    this.selected = 0;
    await this.ask();
    if (this.digits.length === 0) this.say("No digits found: choose a picture with dark digits on light paper.");
  }

  /** One object on each picture; read here, the pictures go nowhere. */
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

  request() {
    const { digits } = this;
    if (digits.length === 0) return null;
    const pixels = new Uint8Array(digits.length * digits[0].length);
    digits.forEach((digit, i) => pixels.set(digit, i * digit.length));
    return { type: "application/octet-stream", body: pixels, pixels };
  }

  /** Show answers beside what the model sees. */
  show(answers) {
    const { words, digits } = this;
    const read = digits.map((_, i) => {
      const row = answers.find((rows) => rows)?.[i];
      return row ? describe(row, this.bundle) : { answer: "?", spoken: "no answer" };
    });
    const text = read.map(({ answer }) => answer), spoken = read.map(({ spoken }) => spoken);
    this.head(text.join(this.draws ? " " : ", "), this.draws);
    // Below the pictures it repeats the heading, for screen readers alone.
    byId("status").classList.toggle("unseen", digits.length > 0);
    byId("status").textContent = digits.length ? `Read: ${spoken.join(this.draws ? " " : ", ")}` : words.nothing;
    const seen = byId("seen");
    while (seen.children.length > digits.length) seen.lastChild.remove();
    digits.forEach((digit, i) => {
      const button = seen.children[i] ?? seen.appendChild(this.seenButton(i));
      button.setAttribute("aria-pressed", String(i === this.selected));
      button.setAttribute("aria-label", `${words.thing} ${i + 1}, read as ${spoken[i]}: show what it is made of`);
      paint(button.firstChild, digit, this.bundle.preprocessing);
    });
    this.photo.label(text, this.selected);
    super.show(answers);
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
