/** Bad input to the tool: a file, a name or a setting. The message is one clear sentence for whoever gave it. */
export class InputError extends Error {
  override readonly name = 'InputError';
}

/** The end of a sentence about a name that does not exist: what was probably meant, otherwise every accepted name. */
export function suggest(given: string, accepted: readonly string[]): string {
  const near = accepted.filter((name) => isNear(given, name));
  if (near.length > 0) return `did you mean ${near.map(quote).join(' or ')}?`;
  return accepted.length === 0 ? 'there are none.' : `expected one of ${accepted.map(quote).join(', ')}.`;
}

export function quote(name: string): string {
  return JSON.stringify(name);
}

/** True for a slip of the keyboard: at most a third of the letters differ, or one name begins or ends the other. */
function isNear(given: string, name: string): boolean {
  const [a, b] = [given.toLowerCase(), name.toLowerCase()];
  if (a.length >= 2 && (b.startsWith(a) || b.endsWith(a))) return true;
  if (b.length >= 2 && a.startsWith(b)) return true;
  return distance(a, b) <= Math.max(a.length, b.length) / 3;
}

/** Number of letters to insert, delete, replace or swap with their neighbour. */
function distance(a: string, b: string): number {
  const rows = [Array.from({ length: b.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= a.length; i++) {
    const above = rows[i - 1]!;
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = above[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      const swapped = a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1] ? rows[i - 2]![j - 2]! + 1 : Infinity;
      row.push(Math.min(replaced, swapped, above[j]! + 1, row[j - 1]! + 1));
    }
    rows.push(row);
  }
  return rows[a.length]![b.length]!;
}
