// Sound: a recording from a file or from the microphone. The server cuts and resamples it, as Python does.

import { describe } from "./answers.js";
import { drawLines } from "./chart.js";
import { Page, byId } from "./page.js";

export class SoundPage extends Page {
  constructor(bundle) {
    super(bundle, "sound");
    [this.contract] = bundle.contract.inputs;
    this.seconds = this.contract.samples / this.contract.rate;
    this.file = null;
    this.waveform = [];
    document.title = `${bundle.name}: let it hear`;
    byId("help").textContent = `The model hears ${Number(this.seconds.toPrecision(3))} s at ${this.contract.rate} Hz. Recordings go to the server that sent this page, and nowhere else.`;
    // Browsers give the microphone over https and on this machine itself alone.
    byId("record").hidden = !navigator.mediaDevices;
    byId("record").addEventListener("click", () => this.record());
    byId("upload").addEventListener("change", async ({ target }) => {
      const [file] = target.files;
      target.value = "";
      if (file) await this.take(file, file.name.toLowerCase().endsWith(".flac") ? "audio/flac" : "audio/wav");
    });
    new ResizeObserver(() => drawLines(byId("chart"), [this.waveform])).observe(byId("chart"));
  }

  /** Ask about a file; its waveform is drawn where the browser reads it. */
  async take(file, type) {
    this.file = { type, body: file };
    try {
      this.waveform = await decode(await file.arrayBuffer(), this.contract.rate);
    } catch {
      this.waveform = [];
    }
    drawLines(byId("chart"), [this.waveform]);
    await this.ask();
  }

  /** Record one window, or until the button is pressed again. */
  async record() {
    if (this.recorder?.state === "recording") {
      this.recorder.stop();
      return;
    }
    let stream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({
        audio: { channelCount: 1, echoCancellation: false, noiseSuppression: false, autoGainControl: false },
      });
    } catch (error) {
      this.say(`The microphone is not at hand (${error.name}): allow it, or choose a file.`);
      return;
    }
    const pieces = [];
    this.recorder = new MediaRecorder(stream);
    this.recorder.addEventListener("dataavailable", ({ data }) => pieces.push(data));
    this.recorder.addEventListener("stop", async () => {
      for (const track of stream.getTracks()) track.stop();
      byId("record").setAttribute("aria-pressed", "false");
      byId("record").textContent = "Record";
      try {
        const samples = await decode(await new Blob(pieces).arrayBuffer(), this.contract.rate);
        await this.take(new Blob([waveFile(samples, this.contract.rate)]), "audio/wav");
      } catch {
        this.say("Nothing was recorded: try again.");
      }
    });
    this.recorder.start();
    byId("record").setAttribute("aria-pressed", "true");
    byId("record").textContent = "Stop";
    this.say("Listening ...");
    setTimeout(() => this.recorder.state === "recording" && this.recorder.stop(), this.seconds * 1000 + 300);
  }

  request() {
    return this.file;
  }

  show(answers) {
    const row = answers.find((rows) => rows)?.[0];
    const { answer, spoken } = row ? describe(row, this.bundle) : { answer: "", spoken: "" };
    this.head(answer);
    this.say(row ? `Heard: ${spoken}` : this.file ? "No answer." : "Nothing yet: record, or choose a WAV or FLAC file.");
    super.show(answers);
  }
}

/** A sound file as samples of one channel at a rate. */
async function decode(bytes, rate) {
  const buffer = await new OfflineAudioContext(1, 1, rate).decodeAudioData(bytes);
  const channels = Array.from({ length: buffer.numberOfChannels }, (_, i) => buffer.getChannelData(i));
  return channels[0].map((_, i) => channels.reduce((sum, samples) => sum + samples[i], 0) / channels.length);
}

/** Samples as a WAV file of 32-bit floats: RIFF, format 3. */
function waveFile(samples, rate) {
  const view = new DataView(new ArrayBuffer(44 + 4 * samples.length));
  const text = (at, letters) => [...letters].forEach((letter, i) => view.setUint8(at + i, letter.charCodeAt(0)));
  text(0, "RIFF");
  view.setUint32(4, 36 + 4 * samples.length, true);
  text(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, 3, true);
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
