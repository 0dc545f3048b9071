/** What a device cannot be built with is refused in one way. */

/** Throws unless `owner` has 1 to `most` of `what`, a whole number. */
export function checkCount(owner: string, what: string, count: number, most: number): void {
  if (Number.isInteger(count) && count >= 1 && count <= most) return;
  throw new RangeError(`${owner} cannot have ${count} ${what}: 1 to ${most} are accepted`);
}
