/** What a reader of a firmware table must survive: any bytes behind the header of a good table, cut anywhere, and noise. */
import fc from 'fast-check';
import { expect } from 'vitest';

const HEADER_BYTES = 36;

/** `read` gives the number of things that it found, or `null` when it refused the table. */
export function survivesAnyBytes(good: readonly number[], read: (bytes: Uint8Array) => number | null): void {
  const byte = fc.integer({ min: 0, max: 255 });
  const edits = fc.array(fc.tuple(fc.integer({ min: HEADER_BYTES, max: good.length - 1 }), byte), {
    minLength: 1,
    maxLength: 6,
  });
  fc.assert(
    fc.property(edits, fc.integer({ min: 0, max: good.length }), (changes, end) => {
      const bytes = [...good];
      for (const [at, value] of changes) bytes[at] = value;
      // The shortest structure has 4 bytes.
      expect(read(Uint8Array.from(bytes.slice(0, end))) ?? 0).toBeLessThanOrEqual(good.length / 4);
    }),
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
      expect(read(bytes) ?? 0).toBeLessThanOrEqual(bytes.length / 4);
    }),
  );
}
