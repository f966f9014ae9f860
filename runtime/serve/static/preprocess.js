// From a picture of any size to the pixels that the contract asks for: the twin of runtime/preprocess/fit.py, bit for bit.
//
// The steps and their rounding are defined there; tests/golden/preprocess holds vectors that both must meet. Everything
// is an integer below 2^53, where JavaScript's numbers are exact.

const CONTRAST = 16;
const OUTLINE = 64;
const FULL = 250;
const STRONG = 192;

const roundDivide = (a, b) => Math.floor((2 * a + b) / (2 * b));

/** Grey levels of a picture. A picture is {width, height, channels: 1, 3 or 4, data: Uint8Array}. */
export function greyPicture({ width, height, channels, data }) {
  if (channels === 1) return { width, height, channels, data };
  const grey = new Uint8Array(width * height);
  for (let i = 0, at = 0; i < grey.length; i++, at += channels) {
    let r = data[at], g = data[at + 1], b = data[at + 2];
    if (channels === 4) {
      const alpha = data[at + 3], paper = 255 * (255 - alpha);
      r = roundDivide(r * alpha + paper, 255);
      g = roundDivide(g * alpha + paper, 255);
      b = roundDivide(b * alpha + paper, 255);
    }
    grey[i] = (19595 * r + 38470 * g + 7471 * b + 32768) >>> 16;
  }
  return { width, height, channels: 1, data: grey };
}

/** A picture as the contract's pixels: Uint8Array of height * width * channels. */
export function fitPicture(picture, contract) {
  if (contract.fit !== "mnist") return fitWhole(picture, contract);
  const { ink, noisy } = separateInk(greyPicture(picture), contract.polarity === "as-is");
  const pixels = place(ink, contract, noisy);
  if (contract.polarity === "dark-on-light") invert(pixels);
  return contract.channels === 1 ? pixels : interleave([pixels, pixels, pixels]);
}

/** The picture as a whole (`stretch`, `pad`) or its middle (`crop`), in grey or in its colours. */
function fitWhole(picture, contract) {
  const grey = greyPicture(picture);
  let planes = [grey.data];
  if (contract.channels === 3) {
    planes = picture.channels === 1 ? [grey.data, grey.data, grey.data] : [0, 1, 2].map((i) => plane(picture, i));
  }
  if (contract.polarity !== "as-is" && isLight(grey) !== (contract.polarity === "dark-on-light")) {
    planes = planes.map((data) => invert(data.slice()));
  }
  const sized = planes.map((data) => sizedPlane({ ...grey, data }, contract));
  return contract.channels === 1 ? sized[0] : interleave(sized);
}

/** One channel in the contract's size. */
function sizedPlane(source, { height, width, fit, resampling }) {
  const resize = resampling === "bilinear" ? bilinearResize : areaResize;
  let rows = height, columns = width;
  if (fit === "crop") {
    rows = source.height;
    columns = source.width;
    if (rows * width > columns * height) {
      rows = Math.min(rows, Math.max(1, roundDivide(columns * height, width)));
    } else {
      columns = Math.min(columns, Math.max(1, roundDivide(rows * width, height)));
    }
    return resize(cut(source, (source.height - rows) >> 1, (source.width - columns) >> 1, rows, columns), height, width).data;
  }
  if (fit !== "pad") return resize(source, height, width).data;
  if (source.height * width > source.width * height) {
    columns = Math.max(1, roundDivide(source.width * height, source.height));
  } else {
    rows = Math.max(1, roundDivide(source.height * width, source.width));
  }
  const scaled = resize(source, rows, columns).data, padded = new Uint8Array(height * width);
  const top = (height - rows) >> 1, left = (width - columns) >> 1;
  for (let y = 0; y < rows; y++) padded.set(scaled.subarray(y * columns, (y + 1) * columns), (top + y) * width + left);
  return padded;
}

function cut({ width, data }, top, left, rows, columns) {
  const part = new Uint8Array(rows * columns);
  for (let y = 0; y < rows; y++) {
    const from = (top + y) * width + left;
    part.set(data.subarray(from, from + columns), y * columns);
  }
  return { width: columns, height: rows, channels: 1, data: part };
}

/** Between the four nearest pixels, as Keras' image_dataset_from_directory scales. */
function bilinearResize({ width: w, height: h, data }, height, width) {
  const down = neighbours(h, height), across = neighbours(w, width), area = 4 * height * width;
  const sized = new Uint8Array(height * width);
  for (let y = 0, at = 0; y < height; y++) {
    const [top, bottom, low] = down[y];
    for (let x = 0; x < width; x++, at++) {
      const [left, right, far] = across[x], near = 2 * width - far;
      const upper = data[top * w + left] * near + data[top * w + right] * far;
      const lower = data[bottom * w + left] * near + data[bottom * w + right] * far;
      sized[at] = roundDivide(upper * (2 * height - low) + lower * low, area);
    }
  }
  return { width, height, channels: 1, data: sized };
}

/** Of each new pixel the old one before it, the one after it, and the latter's weight out of 2 * count. */
function neighbours(old, count) {
  return Array.from({ length: count }, (_, i) => {
    const place = (2 * i + 1) * old - count, before = Math.floor(place / (2 * count));
    const inside = (index) => Math.max(0, Math.min(old - 1, index));
    return [inside(before), inside(before + 1), place - before * 2 * count];
  });
}

const plane = ({ width, height, channels, data }, index) =>
  Uint8Array.from({ length: width * height }, (_, i) => data[i * channels + index]);

const interleave = (planes) =>
  Uint8Array.from({ length: planes[0].length * planes.length }, (_, i) => planes[i % planes.length][Math.floor(i / planes.length)]);

function invert(data) {
  for (let i = 0; i < data.length; i++) data[i] = 255 - data[i];
  return data;
}

/** The picture's outermost pixels, sorted. */
function ring({ width, height, data }) {
  if (Math.min(width, height) === 1) return data.slice().sort();
  const levels = [];
  for (let x = 0; x < width; x++) levels.push(data[x], data[(height - 1) * width + x]);
  for (let y = 1; y < height - 1; y++) levels.push(data[y * width], data[y * width + width - 1]);
  return Uint8Array.from(levels).sort();
}

function range(data) {
  let low = 255, high = 0;
  for (const level of data) {
    if (level < low) low = level;
    if (level > high) high = level;
  }
  return [low, high];
}

function isLight(grey) {
  const levels = ring(grey), [low, high] = range(grey.data);
  let above = 0;
  for (const level of levels) if (2 * level > low + high) above++;
  return 2 * above >= levels.length;
}

/** Ink as 0 (paper) to 255, whatever the polarity and lighting, and whether the paper is noisy. */
export function separateInk(grey, keepPolarity = false) {
  const levels = !keepPolarity && isLight(grey) ? invert(grey.data.slice()) : grey.data;
  const edge = ring({ ...grey, data: levels }), n = edge.length;
  const paper = edge[(n - 1) >> 1], strong = edge[Math.floor((9 * (n - 1)) / 10)], peak = full(levels);
  const data = new Uint8Array(levels.length);
  if (peak - paper < CONTRAST) return { ink: { ...grey, data }, noisy: false };
  const floor = Math.min(paper + 3 * (strong - paper), (paper + peak) >> 1);
  const table = Uint8Array.from({ length: 256 }, (_, v) => roundDivide(255 * Math.max(v - floor, 0), peak - floor));
  for (let i = 0; i < data.length; i++) data[i] = table[levels[i]];
  return { ink: { ...grey, data }, noisy: strong > paper };
}

/** Scale a grey picture; each new pixel is the mean of the area that it covers, rounded. */
export function areaResize({ width, height, data }, newHeight, newWidth) {
  const columns = overlaps(width, newWidth), rows = overlaps(height, newHeight);
  const narrow = new Float64Array(height * newWidth);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < newWidth; x++) {
      const { start, weights } = columns[x];
      let sum = 0;
      for (let k = 0; k < weights.length; k++) sum += weights[k] * data[y * width + start + k];
      narrow[y * newWidth + x] = sum;
    }
  }
  const sized = new Uint8Array(newHeight * newWidth), area = width * height;
  for (let y = 0; y < newHeight; y++) {
    const { start, weights } = rows[y];
    for (let x = 0; x < newWidth; x++) {
      let sum = 0;
      for (let k = 0; k < weights.length; k++) sum += weights[k] * narrow[(start + k) * newWidth + x];
      sized[y * newWidth + x] = roundDivide(sum, area);
    }
  }
  return { width: newWidth, height: newHeight, channels: 1, data: sized };
}

/** For each new pixel the first old one that it covers, and how much of that one and those after it. */
function overlaps(size, newSize) {
  return Array.from({ length: newSize }, (_, i) => {
    const start = Math.floor((i * size) / newSize), weights = [];
    for (let j = start; j * newSize < (i + 1) * size; j++) {
      weights.push(Math.min((i + 1) * size, (j + 1) * newSize) - Math.max(i * size, j * newSize));
    }
    return { start, weights };
  });
}

/** Locate the object, widen thin strokes, scale it to the box, put its centre of mass in the middle. */
export function place(ink, contract, noisy = false) {
  const pixels = new Uint8Array(contract.height * contract.width);
  const box = Math.min(contract.box, contract.height, contract.width);
  let part = crop(ink, OUTLINE);
  if (part !== null && Math.max(part.width, part.height) <= box && !noisy) part = crop(ink, 1);
  if (part === null) return pixels;
  if (Math.max(part.width, part.height) > box) part = widen(part);
  const longer = Math.max(part.width, part.height);
  const [height, width] = [part.height, part.width].map((size) => Math.max(1, roundDivide(size * box, longer)));
  const { data } = areaResize(part, height, width), level = fullLevel(data, longer !== box);
  const rowMasses = new Array(height).fill(0), columnMasses = new Array(width).fill(0);
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i++) {
      data[i] = Math.min(255, roundDivide(255 * data[i], level));
      rowMasses[y] += data[i];
      columnMasses[x] += data[i];
    }
  }
  const top = offset(rowMasses, contract.height), left = offset(columnMasses, contract.width);
  for (let y = 0; y < height; y++) {
    pixels.set(data.subarray(y * width, (y + 1) * width), (top + y) * contract.width + left);
  }
  return pixels;
}

/** Strokes under 7 % of the longer side are brought to 10 %: each pixel becomes the largest of a square around it. */
function widen(part) {
  const { width, height, data } = part;
  let area = 0, edges = 0;
  const inked = (x, y) => x >= 0 && x < width && y >= 0 && y < height && data[y * width + x] >= OUTLINE;
  for (let y = 0; y <= height; y++) {
    for (let x = 0; x <= width; x++) {
      const here = inked(x, y);
      area += here;
      edges += (here !== inked(x - 1, y)) + (here !== inked(x, y - 1));
    }
  }
  const longer = Math.max(width, height);
  if (200 * area >= 7 * edges * longer) return part;
  const radius = Math.floor((2 * (longer * edges - 20 * area) + 20 * edges) / (40 * edges));
  return transpose(spread(transpose(spread(part, radius)), radius));
}

/** Each pixel becomes the largest within `radius` columns; the picture grows by `radius` at both sides. */
function spread({ width, height, data }, radius) {
  const wide = width + 2 * radius, largest = new Uint8Array(wide * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const level = data[y * width + x];
      if (level === 0) continue;
      for (let at = y * wide + x, end = at + 2 * radius; at <= end; at++) {
        if (level > largest[at]) largest[at] = level;
      }
    }
  }
  return { width: wide, height, channels: 1, data: largest };
}

function transpose({ width, height, data }) {
  const turned = new Uint8Array(data.length);
  for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) turned[x * height + y] = data[y * width + x];
  return { width: height, height: width, channels: 1, data: turned };
}

/** The level that stands for full ink. */
function full(levels) {
  const largest = range(levels)[1];
  return largest >= FULL ? 255 : largest;
}

/** The same for a scaled object: its upper quartile where thin or blurred strokes left it faint. */
function fullLevel(data, resized) {
  const levels = data.filter((level) => level > 0).sort(), n = levels.length;
  const upper = levels[n - 1 - Math.floor(n / 4)];
  return resized && upper < STRONG ? upper : full(data);
}

/** The part of a picture that holds ink of at least `level`; null where none does. */
function crop(ink, level) {
  const { left, top, right, bottom } = inkBounds(ink, level);
  if (right < left) return null;
  const width = right - left + 1, height = bottom - top + 1, data = new Uint8Array(width * height);
  for (let y = 0; y < height; y++) {
    const from = (top + y) * ink.width + left;
    data.set(ink.data.subarray(from, from + width), y * width);
  }
  return { width, height, channels: 1, data };
}

function inkBounds({ width, height, data }, level) {
  let left = width, right = -1, top = height, bottom = -1;
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i++) {
      if (data[i] < level) continue;
      if (x < left) left = x;
      if (x > right) right = x;
      if (y < top) top = y;
      bottom = y;
    }
  }
  return { left, top, right, bottom };
}

function offset(masses, size) {
  let mass = 0, moment = 0;
  masses.forEach((level, i) => { mass += level; moment += level * i; });
  const start = -Math.floor((2 * moment - (size - 1) * mass) / (2 * mass));
  return Math.max(0, Math.min(start, size - masses.length));
}
