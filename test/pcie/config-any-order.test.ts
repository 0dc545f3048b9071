import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ConfigSpace, virtualConfig } from '../../hardware/pcie/index.ts';
import { BAR_0, EVERYTHING, HEADER, ROOT_PORT, VF_BAR } from './config-functions.ts';

interface Access {
  readonly who: number;
  readonly offset: number;
  readonly size: number;
  readonly value: number;
}

/** Writes anywhere, often where a register is that does something. */
const LIVELY = [0x04, 0x10, 0x20, 0x3c, 0x48, 0x80, 0x90, 0xa4, 0xb0, 0x104, 0x164, 0x188, 0x190, 0x1a0, 0x1c4, 0x1d4];
const access = fc.record<Access>({
  who: fc.nat(2),
  offset: fc.oneof(fc.constantFrom(...LIVELY), fc.integer({ min: -8, max: 4104 })),
  size: fc.constantFrom(1, 2, 3, 4),
  value: fc.oneof(fc.constantFrom(0, 1, 0x8000, 0xffff_ffff), fc.nat(0xffff_ffff)),
});

const dump = (config: ConfigSpace) => Uint32Array.from({ length: 1024 }, (_, i) => config.read(i * 4, 4));
const FRESH = dump(new ConfigSpace(EVERYTHING));

describe('Whatever software writes in whatever order', () => {
  it('never fails, and leaves the function within what it can do', () => {
    fc.assert(
      fc.property(fc.array(access, { maxLength: 60 }), (accesses) => {
        const physical = new ConfigSpace(EVERYTHING);
        const virtual = new ConfigSpace(virtualConfig(EVERYTHING), { physical, index: 3 });
        const port = new ConfigSpace(ROOT_PORT);
        const sent: number[] = [];
        for (const source of [physical.msi, physical.msix, virtual.msix]) {
          source!.onUnmask = (vector) => sent.push(vector);
        }
        for (const { who, offset, size, value } of accesses) {
          [physical, virtual, port][who]!.write(offset, size, value);
          physical.msix!.write(0, offset, Uint8Array.of(value, value >>> 8, value >>> 16, value >>> 24), 4);
          physical.interrupts?.hold(value % physical.interrupts.vectors);
          physical.report({ error: value & 31, header: HEADER, advisory: (value & 32) !== 0 });
        }
        for (const config of [physical, virtual, port]) {
          expect([128, 256, 512]).toContain(config.maxPayload);
          expect([128, 256, 512, 1024, 2048, 4096]).toContain(config.maxReadRequest);
          expect([32, 256, 1024]).toContain(config.pciExpress!.tags);
        }
        expect(sent.every((vector) => vector < 65)).toBe(true);
        expect([1, 2, 4, 8]).toContain(physical.msi!.vectors);
        expect(physical.pri!.allocation).toBeLessThanOrEqual(64);
        expect(physical.sriov!.vfs).toBeLessThanOrEqual(8);
        expect([physical.ats!.stu, virtual.ats!.stu].every((stu) => stu >= 0 && stu <= 31)).toBe(true);
        expect(Math.max(physical.barAt(BAR_0), 0) % BAR_0.size).toBe(0);
        expect(Math.max(virtual.barAt(VF_BAR), 0) % VF_BAR.size).toBe(0);
        for (const window of [port.bridge!.memory, port.bridge!.prefetchable]) {
          if (window !== null) expect(window.end).toBeGreaterThan(window.start);
        }
        physical.reset();
        expect(dump(physical)).toEqual(FRESH);
      }),
      { numRuns: 150 },
    );
  });
});
