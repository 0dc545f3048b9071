/** Runs that are kept, because several points are about the same one. */

/** So many of each kind, the newest. */
const MOST_KEPT = 64;

/** What `run` gives, each time without running again if it was asked the same not long ago. */
export function remembered<Asked, R>(run: (asked: Asked) => R): (asked: Asked) => R {
  const kept = new Map<string, R>();
  return (asked) => {
    const key = JSON.stringify(asked);
    const known = kept.get(key);
    if (known !== undefined) return known;
    const result = run(asked);
    if (kept.size === MOST_KEPT) kept.delete(kept.keys().next().value!);
    kept.set(key, result);
    return result;
  };
}
