/** How 64 bytes reach a device as one write: MOVDIR64B by pwrite, and ENQCMD. */
import { describe, expect, it } from 'vitest';
import type { Process } from '../../src/kernel/process.ts';
import { EIO } from '../../src/uapi/index.ts';
import { Bench, setUp } from './bench.ts';

const BYTES = Uint8Array.from({ length: 64 }, (_, i) => i + 1);

interface Seen {
  readonly how: string;
  readonly bytes: readonly number[];
}

/** A bench that notes what goes over its bus to devices. */
function noting(): { readonly bench: Bench; readonly seen: Seen[] } {
  const bench = Bench.up();
  const seen: Seen[] = [];
  const { directStore, deferrableWrite, mmioWrite } = bench.bus;
  bench.bus.directStore = (address, bytes) => {
    seen.push({ how: 'directStore', bytes: [...bytes] });
    return directStore(address, bytes);
  };
  bench.bus.deferrableWrite = (address, bytes) => {
    seen.push({ how: 'deferrableWrite', bytes: [...bytes] });
    return deferrableWrite(address, bytes);
  };
  bench.bus.mmioWrite = (address, size, value) => {
    if (address < 0xfe00_0000) seen.push({ how: `mmioWrite of ${size}`, bytes: [] });
    return mmioWrite(address, size, value);
  };
  return { bench, seen };
}

describe('A pwrite to a region of a device', () => {
  it('of 64 aligned bytes is one write, and any other is several', () => {
    const { bench, seen } = noting();
    bench.run(
      (function* () {
        const s = yield* setUp(bench);
        seen.length = 0;
        expect(yield* s.program.pwrite(s.deviceFd, BYTES, 0x1040n)).toBe(64);
        expect(seen).toEqual([{ how: 'directStore', bytes: [...BYTES] }]);
        expect(yield* s.program.pread(s.deviceFd, 64, 0x1040n)).toEqual(BYTES);
        seen.length = 0;
        expect(yield* s.program.pwrite(s.deviceFd, BYTES, 0x1008n)).toBe(64);
        expect(yield* s.program.pwrite(s.deviceFd, BYTES.subarray(0, 32), 0x1040n)).toBe(32);
        expect(new Set(seen.map(({ how }) => how))).toEqual(new Set(['mmioWrite of 8']));
      })(),
    );
  });
});

describe('ENQCMD', () => {
  it('says whose PASID it is, whatever the program wrote, and fails where nobody takes it', () => {
    const { bench, seen } = noting();
    bench.run(
      (function* () {
        const s = yield* setUp(bench);
        (s.program.system as Process).pasid = 0x12345;
        seen.length = 0;
        // The DMA engine completes deferrable writes with UR.
        expect(yield* s.program.enqcmd(s.deviceFd, new Uint8Array(64).fill(0xff), 0x1040n)).toBe(-EIO);
        const rest = new Array<number>(60).fill(0xff);
        expect(seen).toEqual([{ how: 'deferrableWrite', bytes: [0x45, 0x23, 0x01, 0x00, ...rest] }]);
      })(),
    );
  });
});
