// Makes the page work offline once opened: the newest copy where there is a network, the stored one where there is none.

const CACHE = "edgepress";
const PAGE = [
  "./", "index.html", "style.css", "icon.svg", "app.webmanifest", "main.js", "page.js", "pictures.js", "features.js",
  "sound.js", "recordings.js", "recorder.js", "motion.js", "json.js", "answers.js", "chart.js", "pad.js", "strokes.js", "panel.js", "photo.js", "verdict.js",
  "preprocess.js", "tensors.js", "engines.js", "bundle.json",
];

self.addEventListener("install", (event) => {
  event.waitUntil(store().then(() => self.skipWaiting()));
});

self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

/** The page, and where the browser can infer, what it needs for that. */
async function store() {
  const cache = await caches.open(CACHE);
  await cache.addAll(PAGE);
  const bundle = await (await cache.match("bundle.json")).json();
  if (!bundle.browser_runtime) return;
  const models = bundle.artifacts.filter(({ format }) => format === "onnx");
  await cache.addAll([
    ...["ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm"].map((name) => bundle.browser_runtime + name),
    ...models.map(({ file }) => `artifacts/${encodeURIComponent(file)}`),
  ]);
}

self.addEventListener("fetch", (event) => {
  const url = new URL(event.request.url);
  const stored = url.pathname.startsWith(new URL("./", self.location).pathname);
  if (event.request.method !== "GET" || url.origin !== self.location.origin || !stored) return;
  event.respondWith(newest(event.request));
});

async function newest(request) {
  const cache = await caches.open(CACHE);
  try {
    const response = await fetch(request);
    if (response.ok && (await cache.match(request))) await cache.put(request, response.clone());
    return response;
  } catch (error) {
    const stored = await cache.match(request, { ignoreSearch: true });
    if (stored) return stored;
    throw error;
  }
}
