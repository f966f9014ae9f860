// The phone's own motion sensor as a window of a signal, where the contract's channels are an accelerometer's or a
// gyroscope's (W3C Device Orientation and Motion: m/s2 with gravity, and degrees a second).

const GRAVITY = 9.80665;
const SENSORS = [
  { name: /^(a|acc|accel|accelerometer|acceleration)$/, read: ({ accelerationIncludingGravity: a }) => [a?.x, a?.y, a?.z],
    units: { "": 1, "m/s2": 1, "m/s^2": 1, "m/s²": 1, g: 1 / GRAVITY } },
  // About the axes x, y and z the browser calls the rates beta, gamma and alpha.
  { name: /^(g|gyr|gyro|gyroscope|rotation|omega)$/, read: ({ rotationRate: r }) => [r?.beta, r?.gamma, r?.alpha],
    units: { "deg/s": 1, "°/s": 1, dps: 1, "": Math.PI / 180, "rad/s": Math.PI / 180 } },
];

/** For each channel a function from a devicemotion event to its number; null where one is no motion of the phone. */
export function motionOf({ channels, units, rate }) {
  if (!rate || !("DeviceMotionEvent" in globalThis)) return null;
  const readers = channels.map((channel, i) => {
    // ax, acc_x, Accelerometer X, body_acc.x: what is measured, and along which axis.
    const parts = /^(.*?)[ _.-]*([xyz])$/i.exec(channel);
    const what = parts?.[1].toLowerCase().split(/[ _.-]+/) ?? [];
    const unit = (units[i] ?? "").toLowerCase();
    // Axes alone are an accelerometer's where their unit says so.
    const sensor = SENSORS.find(({ name, units: known }) =>
      unit in known && (what.some((word) => name.test(word)) || (parts?.[1] === "" && unit !== "")));
    if (!sensor) return null;
    const axis = "xyz".indexOf(parts[2].toLowerCase());
    // A device without a sensor says null, which is no 0.
    return (event) => (sensor.read(event)[axis] ?? NaN) * sensor.units[unit];
  });
  return readers.every((read) => read) ? readers : null;
}

/** Moments [time in seconds, ...numbers] as `steps` samples at `rate`, the last of them, by straight lines between. */
export function atRate(moments, steps, rate) {
  const end = moments[moments.length - 1][0];
  let at = 0;
  return Array.from({ length: steps }, (_, i) => {
    const time = Math.max(moments[0][0], end - (steps - 1 - i) / rate);
    while (at + 2 < moments.length && moments[at + 1][0] < time) at++;
    const [from, to] = [moments[at], moments[at + 1] ?? moments[at]], span = to[0] - from[0];
    const share = span > 0 ? Math.min(1, Math.max(0, (time - from[0]) / span)) : 0;
    return from.slice(1).map((value, k) => value + share * (to[k + 1] - value));
  });
}

/** Listen until there are `seconds` of movement: moments as `atRate` takes them. Throws where the sensor is silent. */
export async function recordMotion(readers, seconds, onMoment) {
  // iOS asks its user, and only after a touch.
  if ((await DeviceMotionEvent.requestPermission?.()) === "denied") throw new Error("The motion sensor was not allowed.");
  const moments = [];
  return new Promise((resolve, reject) => {
    const end = (call, value) => {
      removeEventListener("devicemotion", heard);
      clearTimeout(timer);
      call(value);
    };
    const timer = setTimeout(() => {
      end(reject, new Error("No movement came: this device has no motion sensor, or the page is not served over https."));
    }, (seconds + 3) * 1000);
    const heard = (event) => {
      const values = readers.map((read) => read(event));
      if (!values.every(Number.isFinite)) return;
      moments.push([event.timeStamp / 1000, ...values]);
      onMoment(moments);
      if (event.timeStamp / 1000 - moments[0][0] >= seconds) end(resolve, moments);
    };
    addEventListener("devicemotion", heard);
  });
}
