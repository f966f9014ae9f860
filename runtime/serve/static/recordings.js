// Recordings as the window that a contract asks for: the twin of runtime/preprocess/sound.py and runtime/contract/audio.py.
//
// A file of the contract's rate becomes the same numbers as in Python, bit for bit. One of another rate passes a filter of
// the same band and the same steepness as soxr's there: but for its very ends, what is recorded agrees to some 1e-6.

const PCM = 1, FLOAT = 3, EXTENSIBLE = 0xfffe;

/** How a sample is read, by format and bits: as libsndfile makes floats of it. */
const READERS = {
  [`${PCM}/8`]: (view, at) => (view.getUint8(at) - 128) / 128,
  [`${PCM}/16`]: (view, at) => view.getInt16(at, true) / 32768,
  [`${PCM}/24`]: (view, at) => (view.getUint16(at, true) | (view.getInt8(at + 2) << 16)) / 8388608,
  [`${PCM}/32`]: (view, at) => view.getInt32(at, true) / 2147483648,
  [`${FLOAT}/32`]: (view, at) => view.getFloat32(at, true),
  [`${FLOAT}/64`]: (view, at) => view.getFloat64(at, true),
};

/** {rate, channels: [Float32Array, ...]} of a WAV file's bytes; null for anything else. */
export function readWave(bytes) {
  const view = new DataView(bytes);
  const name = (at) => String.fromCharCode(...new Uint8Array(bytes, at, 4));
  if (view.byteLength < 12 || name(0) !== "RIFF" || name(8) !== "WAVE") return null;
  let format = null;
  for (let at = 12; at + 8 <= view.byteLength; ) {
    const size = view.getUint32(at + 4, true), start = at + 8;
    if (name(at) === "fmt " && start + 16 <= view.byteLength) {
      const kind = view.getUint16(start, true), bits = view.getUint16(start + 14, true);
      format = {
        kind: kind === EXTENSIBLE && size >= 26 ? view.getUint16(start + 24, true) : kind, bits,
        count: view.getUint16(start + 2, true), rate: view.getUint32(start + 4, true),
      };
    } else if (name(at) === "data" && format) {
      const read = READERS[`${format.kind}/${format.bits}`], width = format.bits / 8;
      if (!read || !format.count || !format.rate) return null;
      // A file that was cut off, or written as a stream, names more than it holds.
      const frames = Math.floor(Math.min(size, view.byteLength - start) / (width * format.count));
      const channels = Array.from({ length: format.count }, (_, channel) =>
        Float32Array.from({ length: frames }, (_, i) => read(view, start + (i * format.count + channel) * width)));
      return { rate: format.rate, channels };
    }
    at = start + size + (size % 2);
  }
  return null;
}

/** The mean of all channels, between -1 and 1. */
export function mixed(channels) {
  return channels[0].map((first, i) => {
    const mean = channels.length === 1 ? first : channels.reduce((sum, samples) => sum + samples[i], 0) / channels.length;
    return Math.max(-1, Math.min(1, mean));
  });
}

/** Where the window with the most energy begins. */
export function loudestStart(samples, size) {
  const energy = new Float64Array(samples.length + 1);
  samples.forEach((sample, i) => (energy[i + 1] = energy[i] + sample * sample));
  let start = 0;
  for (let i = 1; i + size <= samples.length; i++) {
    if (energy[i + size] - energy[i] > energy[start + size] - energy[start]) start = i;
  }
  return start;
}

/** Samples of the contract's rate as its window: cut, or filled up with silence. */
export function windowOf(samples, { samples: size, place }) {
  const missing = size - samples.length, window = new Float32Array(size);
  if (missing >= 0) {
    window.set(samples, place === "start" ? 0 : Math.floor(missing / 2));
    return window;
  }
  const start = { start: () => 0, middle: () => Math.floor(-missing / 2), loudest: () => loudestStart(samples, size) }[place]();
  window.set(samples.subarray(start, start + size));
  return window;
}

/** Samples of one channel of a WAV or FLAC file, at the contract's rate. Throws where the browser cannot read it. */
export async function readRecording(bytes, wanted) {
  let { rate, channels } = readWave(bytes) ?? {};
  if (!channels?.[0].length) {
    rate = flacRate(bytes) ?? wanted;
    // At its own rate: the browser decodes, and does not resample.
    const buffer = await new OfflineAudioContext(1, 1, rate).decodeAudioData(bytes);
    channels = Array.from({ length: buffer.numberOfChannels }, (_, i) => buffer.getChannelData(i));
  }
  const samples = mixed(channels);
  if (samples.some((sample) => !Number.isFinite(sample))) throw new Error("NaN among the samples");
  return resampled(samples, rate, wanted);
}

/** As the first block of a FLAC file says it. */
function flacRate(bytes) {
  const view = new DataView(bytes);
  return view.byteLength > 22 && view.getUint32(0) === 0x664c6143 ? view.getUint32(18) >>> 12 || null : null;
}

/** Of the filter: where it begins to fall and where it has fallen, as shares of the lower rate's half, and how far. */
const PASS = 0.9136, STOP = 1, REJECTION_DB = 130;

/** Samples at another rate: a windowed sinc, Kaiser's window, phase by phase. */
export function resampled(samples, rate, wanted) {
  if (rate === wanted) return samples;
  const divisor = ((a, b) => { while (b) [a, b] = [b, a % b]; return a; })(rate, wanted);
  const up = wanted / divisor, down = rate / divisor, limit = Math.min(1, wanted / rate);
  const middle = ((PASS + STOP) / 2) * limit, width = (STOP - PASS) * limit;
  const beta = 0.1102 * (REJECTION_DB - 8.7), half = (REJECTION_DB - 8) / (2.285 * Math.PI * width) / 2;
  const reach = Math.ceil(half), phases = new Map();
  const phase = (number) => {
    const taps = new Float64Array(2 * reach + 1);
    for (let i = -reach; i <= reach; i++) {
      const t = i - number / up, x = Math.PI * middle * t, within = 1 - (t / half) ** 2;
      if (within >= 0) taps[i + reach] = (middle * (x ? Math.sin(x) / x : 1) * bessel(beta * Math.sqrt(within))) / bessel(beta);
    }
    return taps;
  };
  const result = new Float32Array(Math.max(1, Math.floor((samples.length * up) / down + 0.5)));
  for (let k = 0; k < result.length; k++) {
    const at = Math.floor((k * down) / up), number = (k * down) % up;
    if (!phases.has(number)) phases.set(number, phase(number));
    const taps = phases.get(number), first = Math.max(0, at - reach), last = Math.min(samples.length - 1, at + reach);
    let sum = 0;
    for (let i = first; i <= last; i++) sum += samples[i] * taps[i - at + reach];
    result[k] = Math.max(-1, Math.min(1, sum));
  }
  return result;
}

/** The modified Bessel function of the first kind, order 0. */
function bessel(x) {
  let sum = 1, term = 1;
  for (let k = 1; term > sum * 1e-17; k++) sum += term *= (x / (2 * k)) ** 2;
  return sum;
}

/** Samples as a WAV file of 32-bit floats. */
export function waveFile(samples, rate) {
  const view = new DataView(new ArrayBuffer(44 + 4 * samples.length));
  const text = (at, letters) => [...letters].forEach((letter, i) => view.setUint8(at + i, letter.charCodeAt(0)));
  text(0, "RIFF");
  view.setUint32(4, 36 + 4 * samples.length, true);
  text(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, FLOAT, true);
  view.setUint16(22, 1, true);
  view.setUint32(24, rate, true);
  view.setUint32(28, 4 * rate, true);
  view.setUint16(32, 4, true);
  view.setUint16(34, 32, true);
  text(36, "data");
  view.setUint32(40, 4 * samples.length, true);
  samples.forEach((sample, i) => view.setFloat32(44 + 4 * i, sample, true));
  return view.buffer;
}
