// The drawing surface: finger, pen, mouse and keyboard become strokes.

import { tracePath } from "./strokes.js";

const STEP = 0.04;

export class Pad extends EventTarget {
  /** Fires `change` whenever what is drawn changes. */
  constructor(canvas) {
    super();
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    this.strokes = [];
    this.open = new Map();
    this.cursor = null;
    this.keyboardStroke = null;
    canvas.addEventListener("pointerdown", (event) => this.pointerDown(event));
    canvas.addEventListener("pointermove", (event) => this.pointerMove(event));
    for (const type of ["pointerup", "pointercancel"]) {
      canvas.addEventListener(type, (event) => this.open.delete(event.pointerId));
    }
    canvas.addEventListener("keydown", (event) => this.keyDown(event));
    canvas.addEventListener("blur", () => this.hideCursor());
    new ResizeObserver(() => this.redraw()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.redraw());
  }

  get pen() {
    return Math.max(10, this.canvas.clientHeight * 0.055);
  }

  undo() {
    this.strokes.pop();
    this.keyboardStroke = null;
    this.changed();
  }

  clear() {
    this.strokes = [];
    this.keyboardStroke = null;
    this.changed();
  }

  pointerDown(event) {
    if (event.button !== 0) return;
    event.preventDefault();
    this.canvas.focus({ preventScroll: true });
    this.canvas.setPointerCapture(event.pointerId);
    this.hideCursor();
    const stroke = [this.point(event)];
    this.open.set(event.pointerId, stroke);
    this.strokes.push(stroke);
    this.changed();
  }

  pointerMove(event) {
    const stroke = this.open.get(event.pointerId);
    if (!stroke) return;
    const events = event.getCoalescedEvents?.() ?? [];
    for (const each of events.length ? events : [event]) stroke.push(this.point(each));
    this.changed();
  }

  point(event) {
    const box = this.canvas.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  }

  /** Arrow keys move a cursor (Shift: finely); Space puts the pen down and lifts it. */
  keyDown(event) {
    const directions = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const { clientWidth: width, clientHeight: height } = this.canvas;
    this.cursor ??= { x: width / 2, y: height / 2 };
    if (event.key in directions) {
      const [dx, dy] = directions[event.key], step = height * STEP * (event.shiftKey ? 0.25 : 1);
      this.cursor = {
        x: Math.max(0, Math.min(width, this.cursor.x + dx * step)),
        y: Math.max(0, Math.min(height, this.cursor.y + dy * step)),
      };
      this.keyboardStroke?.push(this.cursor);
    } else if (event.key === " ") {
      this.keyboardStroke = this.keyboardStroke ? null : [this.cursor];
      if (this.keyboardStroke) this.strokes.push(this.keyboardStroke);
    } else if (event.key === "Backspace") {
      this.undo();
    } else if (event.key === "Delete" || event.key === "Escape") {
      this.clear();
    } else {
      return;
    }
    event.preventDefault();
    this.changed();
  }

  hideCursor() {
    this.cursor = this.keyboardStroke = null;
    this.redraw();
  }

  changed() {
    this.redraw();
    this.dispatchEvent(new Event("change"));
  }

  redraw() {
    const { canvas, context } = this, ratio = window.devicePixelRatio || 1;
    canvas.width = Math.round(canvas.clientWidth * ratio);
    canvas.height = Math.round(canvas.clientHeight * ratio);
    context.scale(ratio, ratio);
    const style = getComputedStyle(canvas);
    context.strokeStyle = style.color;
    context.lineWidth = this.pen;
    context.lineCap = context.lineJoin = "round";
    for (const stroke of this.strokes) tracePath(context, stroke);
    if (this.cursor) {
      context.strokeStyle = style.outlineColor;
      context.lineWidth = 2;
      context.beginPath();
      context.arc(this.cursor.x, this.cursor.y, this.keyboardStroke ? this.pen / 2 : this.pen, 0, 2 * Math.PI);
      context.stroke();
    }
  }
}
