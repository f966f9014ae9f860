// Lines over time: a waveform, or the channels of a signal.

/** Draw series of numbers, each a line in a colour of its own, over the whole width; names stand in their colours. */
export function drawLines(canvas, series, names = []) {
  const context = canvas.getContext("2d"), style = getComputedStyle(canvas);
  const scale = devicePixelRatio, width = canvas.clientWidth, height = canvas.clientHeight;
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  context.scale(scale, scale);
  let low = 0, high = 0;
  for (const line of series) {
    for (const value of line) {
      if (value < low) low = value;
      if (value > high) high = value;
    }
  }
  const span = high - low || 1, margin = 8, legend = names.length ? 14 : 0;
  const y = (value) => margin + ((high - value) / span) * (height - 2 * margin - legend);
  const light = matchMedia("(prefers-color-scheme: dark)").matches ? 65 : 42;
  context.strokeStyle = style.borderTopColor;
  context.beginPath();
  context.moveTo(0, y(0));
  context.lineTo(width, y(0));
  context.stroke();
  context.font = "12px system-ui, sans-serif";
  let left = margin;
  series.forEach((line, i) => {
    context.strokeStyle = context.fillStyle = series.length === 1 ? style.color : `hsl(${(220 + i * 137) % 360} 65% ${light}%)`;
    context.lineWidth = 1.5;
    context.beginPath();
    // Of many samples in one column of the screen, the least and the largest.
    const step = Math.max(1, line.length / (2 * width));
    for (let at = 0; at < line.length; at += step) {
      const part = Array.from(line.slice(Math.floor(at), Math.max(Math.floor(at) + 1, Math.floor(at + step))));
      const x = (at / Math.max(1, line.length - 1)) * width;
      for (const value of step > 1 ? [Math.min(...part), Math.max(...part)] : part) context.lineTo(x, y(value));
    }
    context.stroke();
    if (names[i]) {
      context.fillText(names[i], left, height - 4);
      left += context.measureText(names[i]).width + 12;
    }
  });
}
