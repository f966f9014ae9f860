// What a row of probabilities says: the best class, and whether the bundle's threshold calls it unknown.

/** {index, share, unknown}. Compared as float32, as the runtime does. */
export function verdict(row, bundle) {
  const share = Math.max(...row), threshold = bundle.unknown_threshold;
  return { index: row.indexOf(share), share, unknown: threshold !== null && Math.fround(share) < Math.fround(threshold) };
}
