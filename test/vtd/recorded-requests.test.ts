/** What a fault recording register says about a request beside its reason (vtd.md sections 1.9 and 4.3). */
import { describe, expect, it } from 'vitest';
import { Access, NO_PASID, Translation } from '../../hardware/iommu/index.ts';
import type { Fault } from '../../hardware/vtd/spec/index.ts';
import { proves } from '../proves.ts';
import { bareUnit } from './bare-unit.ts';
import { capabilities } from './capability.ts';
import { Bench, REG, SRTP, TE } from './tables.ts';

const PASID_CAPABILITY = 1n << 40n;
const PRIV = 1n << 29n;
const EXE = 1n << 30n;
const PP = 1n << 31n;
const T1 = 1n << 62n;
const T2 = 1n << 28n;
const PV = 104n - 64n;

/** The upper half of the record that a request leaves; there is no root entry, and legacy mode refuses every PASID. */
function recorded(access: number, pasid: number, capable = true): bigint {
  const { ver, cap, ecap } = capabilities();
  const unit = bareUnit({ capabilities: { ver, cap, ecap: ecap | (capable ? PASID_CAPABILITY : 0n) } });
  unit.write(REG.GCMD, 4, SRTP | TE);
  unit.translate(new Translation<Fault>().ask(0x18, pasid, access, 0, 0x5000));
  const record = unit.read(REG.FRCD + 8, 8);
  expect(record >> 63n, 'F').toBe(1n);
  return record;
}

describe('A fault record', () => {
  const read = Access.READ;
  const write = Access.WRITE;

  it('tells reads, writes and AtomicOps apart by T1 and T2.', () => {
    proves('FRCD_REG.T1', 'FRCD_REG.T2');
    const kind = (access: number) => recorded(access, NO_PASID) & (T1 | T2);
    expect([kind(read), kind(write), kind(read | write)]).toEqual([T1, 0n, T1 | T2]);
  });

  it('holds the PASID of a request that carries one, and PP says so.', () => {
    proves('FRCD_REG.PP', 'FRCD_REG.PV', 'ECAP_REG.PASID');
    for (const pasid of [0, 1, 0x12345, 0xfffff]) {
      const record = recorded(read, pasid);
      expect(record & PP).toBe(PP);
      expect((record >> PV) & 0xfffffn).toBe(BigInt(pasid));
    }
    expect(recorded(read, NO_PASID) & (PP | (0xfffffn << PV))).toBe(0n);
  });

  it('says with a PASID whether privileged mode was requested, and execution for a read.', () => {
    proves('FRCD_REG.PRIV', 'FRCD_REG.EXE');
    const more = (access: number, pasid: number) => recorded(access, pasid) & (PRIV | EXE);
    const both = Access.PRIVILEGED | Access.EXECUTE;
    expect(more(read | Access.PRIVILEGED, 5)).toBe(PRIV);
    expect(more(read | Access.EXECUTE, 5)).toBe(EXE);
    expect(more(write | both, 5), 'a write executes nothing').toBe(PRIV);
    expect(more(read, 5)).toBe(0n);
    expect(more(read | both, NO_PASID)).toBe(0n);
  });

  it('of a unit without PASID capability leaves the fields of a PASID 0.', () => {
    const fields = PP | PRIV | EXE | (0xfffffn << PV);
    expect(recorded(read | Access.PRIVILEGED | Access.EXECUTE, 5, false) & fields).toBe(0n);
  });

  it.each([
    [{ sagaw: 0b00010 }, 39],
    [{ sagaw: 0b00110 }, 48],
    [{ sagaw: 0b01100 }, 57],
    [{ sagaw: 0b01010 }, 57],
    [{ sagaw: 0, smts: true, fsts: true }, 48],
    [{ sagaw: 0, smts: true, fsts: true, fs5lp: true }, 57],
  ])('keeps as many bits of an address as the widest tables of %o translate: %i.', (options, width) => {
    proves('FRCD_REG.FI');
    const bench = new Bench(options).enable();
    const address = 0xfedc_ba98_7654_3000n;
    bench.read(address);
    expect(bench.record()).toMatchObject({ f: true, fi: address % (1n << BigInt(width)) });
  });
});
