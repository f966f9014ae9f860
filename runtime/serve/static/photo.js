// A page with several digits: the picture, and a box with what was read around each digit.

const THIN = 3;

export class Photo {
  constructor(canvas) {
    this.canvas = canvas;
    this.hide();
  }

  hide() {
    this.picture = null;
    this.canvas.hidden = true;
  }

  /** `picture` is a canvas; `boxes` lie in its pixels. */
  show(picture, boxes) {
    this.picture = picture;
    this.boxes = boxes;
    this.canvas.hidden = false;
  }

  /** Draw the boxes with their texts, one of them as the selected one. */
  label(texts, selected) {
    const { canvas, picture } = this;
    if (picture === null) return;
    canvas.width = picture.width;
    canvas.height = picture.height;
    const context = canvas.getContext("2d"), style = getComputedStyle(canvas);
    context.drawImage(picture, 0, 0);
    // The canvas is shown smaller or larger than its pixels; lines and letters keep their size on the screen.
    const scale = picture.width / canvas.clientWidth;
    context.font = `700 ${16 * scale}px system-ui, sans-serif`;
    this.boxes.forEach(({ left, top, right, bottom }, i) => {
      context.strokeStyle = context.fillStyle = i === selected ? style.accentColor : style.color;
      context.lineWidth = THIN * scale;
      context.strokeRect(left, top, right - left, bottom - top);
      // A white seam keeps letters legible on ink.
      context.strokeStyle = "white";
      context.strokeText(texts[i], left, top - 2 * THIN * scale);
      context.fillText(texts[i], left, top - 2 * THIN * scale);
    });
  }

  /** Which box lies under a pointer event; -1 for none. */
  boxAt(event) {
    const scale = this.canvas.width / this.canvas.clientWidth;
    const x = event.offsetX * scale, y = event.offsetY * scale;
    return this.boxes.findIndex(({ left, top, right, bottom }) => left <= x && x <= right && top <= y && y <= bottom);
  }
}
