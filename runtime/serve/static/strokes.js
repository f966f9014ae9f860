// Strokes, the digits they form, and a digit as a picture.

// A digit is drawn for the model at this size, with a pen of this share of it: as thick as MNIST's digits are.
const PICTURE = 160;
const MARGIN = 20;
const PEN = 0.11;
// Two strokes belong to one digit when they share this much of the narrower one's width.
const SHARED = 0.3;

/** Bounds of points [{x, y}]. */
function bounds(points) {
  const xs = points.map((p) => p.x), ys = points.map((p) => p.y);
  return { left: Math.min(...xs), right: Math.max(...xs), top: Math.min(...ys), bottom: Math.max(...ys) };
}

/** Groups of strokes, from left to right, each one digit. `pen` is the width that the strokes are shown with. */
export function groupDigits(strokes, pen) {
  const groups = [];
  for (const stroke of strokes) {
    const { left, right } = bounds(stroke);
    let merged = { strokes: [stroke], left: left - pen / 2, right: right + pen / 2 };
    for (let i = groups.length - 1; i >= 0; i--) {
      const other = groups[i];
      const shared = Math.min(merged.right, other.right) - Math.max(merged.left, other.left);
      const narrower = Math.min(merged.right - merged.left, other.right - other.left);
      if (shared < SHARED * narrower) continue;
      merged = {
        strokes: [...other.strokes, ...merged.strokes],
        left: Math.min(merged.left, other.left),
        right: Math.max(merged.right, other.right),
      };
      groups.splice(i, 1);
    }
    groups.push(merged);
  }
  return groups.sort((a, b) => a.left - b.left).map((group) => group.strokes);
}

/** Draw smooth lines through the points. */
export function tracePath(context, stroke) {
  context.beginPath();
  context.moveTo(stroke[0].x, stroke[0].y);
  for (let i = 1; i < stroke.length - 1; i++) {
    const next = stroke[i + 1], at = stroke[i];
    context.quadraticCurveTo(at.x, at.y, (at.x + next.x) / 2, (at.y + next.y) / 2);
  }
  const last = stroke[stroke.length - 1];
  context.lineTo(last.x, last.y);
  context.stroke();
}

/** One digit as a grey picture, light on dark, in the form that `fitPicture` takes. */
export function digitPicture(strokes) {
  const { left, right, top, bottom } = bounds(strokes.flat());
  const scale = PICTURE / Math.max(right - left, bottom - top, 8), pen = PICTURE * PEN;
  const canvas = new OffscreenCanvas(
    Math.ceil((right - left) * scale + pen + 2 * MARGIN),
    Math.ceil((bottom - top) * scale + pen + 2 * MARGIN),
  );
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.fillStyle = "black";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.translate(MARGIN + pen / 2, MARGIN + pen / 2);
  context.scale(scale, scale);
  context.translate(-left, -top);
  context.lineWidth = pen / scale;
  context.lineCap = context.lineJoin = "round";
  context.strokeStyle = "white";
  for (const stroke of strokes) tracePath(context, stroke);
  return canvasPicture(context);
}

/** The pixels of a canvas. */
export function canvasPicture(context) {
  const { width, height } = context.canvas;
  const { data } = context.getImageData(0, 0, width, height);
  return { width, height, channels: 4, data };
}
