// The page: the controls that fit the bundle's contract, and two artifacts that say what they see.

import { onlyInput } from "./engines.js";
import { FeaturesPage } from "./features.js";
import { JsonPage } from "./json.js";
import { PicturesPage } from "./pictures.js";
import { SoundPage } from "./sound.js";

/** By the kind of the one input; every other bundle gets a field for JSON. */
const PAGES = { picture: PicturesPage, features: FeaturesPage, audio: SoundPage };

async function start() {
  try {
    const response = await fetch("bundle.json");
    if (!response.ok) throw new Error(`bundle.json cannot be fetched (${response.status})`);
    const bundle = await response.json();
    const page = new (PAGES[onlyInput(bundle)?.kind] ?? JsonPage)(bundle);
    page.start();
  } catch (error) {
    document.getElementById("status").textContent = `The page cannot start: ${error.message}`;
  }
  // Only https and this machine itself allow it; elsewhere the page works, but not offline.
  if ("serviceWorker" in navigator) navigator.serviceWorker.register("service-worker.js");
}

start();
