// Sound: a recording from a file or from the microphone.

import { describe } from "./answers.js";
import { drawLines } from "./chart.js";
import { Page, byId } from "./page.js";
import { loudestStart, readRecording, resampled, waveFile, windowOf } from "./recordings.js";

/** Beside the window, the time to begin to speak. */
const MORE_S = 1.5;

export class SoundPage extends Page {
  constructor(bundle) {
    super(bundle, "sound");
    [this.contract] = bundle.contract.inputs;
    this.seconds = this.contract.samples / this.contract.rate;
    this.file = null;
    this.waveform = [];
    document.title = `${bundle.name}: let it hear`;
    const where = bundle.default === null ? "Recordings stay in this browser."
      : "Recordings go to the server that sent this page, or stay in this browser where the artifact runs here.";
    byId("help").textContent = `The model hears ${Number(this.seconds.toPrecision(3))} s at ${this.contract.rate} Hz; of what is recorded here, the loudest part. ${where}`;
    // Browsers give the microphone over https and on this machine itself alone.
    byId("record").hidden = !navigator.mediaDevices;
    byId("record").addEventListener("click", () => (this.stop ? this.stop() : this.record()));
    byId("upload").addEventListener("change", async ({ target }) => {
      const [file] = target.files;
      target.value = "";
      if (file) await this.take(file, file.name.toLowerCase().endsWith(".flac") ? "audio/flac" : "audio/wav");
    });
    new ResizeObserver(() => this.draw()).observe(byId("chart"));
  }

  draw() {
    drawLines(byId("chart"), [this.waveform]);
  }

  /** Ask about a file. The server reads it itself; the browser needs its numbers, which are drawn too. */
  async take(file, type) {
    this.file = { type, body: file };
    this.waveform = [];
    try {
      const window = windowOf(await readRecording(await file.arrayBuffer(), this.contract.rate), this.contract);
      this.waveform = window;
      this.file.numbers = Float64Array.from(window);
    } catch {
      // The server may know the format, or says what is wrong with it.
      this.file.problem = "This browser cannot read the file: choose a WAV or FLAC file.";
    }
    this.draw();
    await this.ask();
  }

  /** Record until the button is pressed again, or there is enough. */
  async record() {
    let stream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({
        audio: { channelCount: 1, echoCancellation: false, noiseSuppression: false, autoGainControl: false },
      });
    } catch (error) {
      this.say(`The microphone is not at hand (${error.name}): allow it, or choose a file.`);
      return;
    }
    const context = new AudioContext(), button = byId("record"), { rate, samples: size } = this.contract;
    const most = (this.seconds + MORE_S) * context.sampleRate;
    const heard = new Float32Array(Math.ceil(most));
    let count = 0;
    await context.audioWorklet.addModule("recorder.js");
    const recorder = new AudioWorkletNode(context, "recorder");
    const full = new Promise((resolve) => {
      this.stop = resolve;
      recorder.port.onmessage = ({ data }) => {
        heard.set(data.subarray(0, heard.length - count), count);
        count = Math.min(heard.length, count + data.length);
        this.waveform = heard;
        requestAnimationFrame(() => this.stop && this.draw());
        if (count === heard.length) resolve();
      };
    });
    context.createMediaStreamSource(stream).connect(recorder);
    button.setAttribute("aria-pressed", "true");
    button.textContent = "Stop";
    this.say("Listening ...");
    await full;
    this.stop = null;
    for (const track of stream.getTracks()) track.stop();
    await context.close();
    button.setAttribute("aria-pressed", "false");
    button.textContent = "Record";
    if (!count) {
      this.say("Nothing was recorded: try again.");
      return;
    }
    const samples = resampled(heard.slice(0, count), context.sampleRate, rate);
    const start = samples.length > size ? loudestStart(samples, size) : 0;
    await this.take(new Blob([waveFile(samples.subarray(start, start + size), rate)]), "audio/wav");
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
