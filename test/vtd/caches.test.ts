/** What SRTP, probing and translation requests do to the caches (vtd.md sections 1.6, 3.5, 3.6, 7.2). */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Access, AddressType, NO_PASID, Status, Translation } from '../../hardware/iommu/index.ts';
import { PhysicalMemory } from '../../hardware/memory/index.ts';
import type { VtdUnit } from '../../hardware/vtd/index.ts';
import type { Fault } from '../../hardware/vtd/spec/index.ts';
import { proves } from '../proves.ts';
import { bareUnit } from './bare-unit.ts';
import { type Capability, capabilities } from './capability.ts';
import { Bench, BOTH, CONTEXT, DATA, outcome, PS, REG, ROOT, SPARE, SRTP, TE, tableAt, WRITE } from './tables.ts';

describe('SRTP', () => {
  it('takes over RTADDR, and no other write does.', () => {
    proves('RTADDR_REG.RTA', 'GCMD_REG.SRTP', 'GSTS_REG.RTPS');
    const bench = new Bench().usual().enable();
    bench.set(REG.RTADDR, SPARE, 8);
    expect(bench.get(REG.RTADDR, 8)).toBe(SPARE);
    expect(outcome(bench.probe(0n))).toBe(DATA);
    bench.command(SRTP);
    expect(outcome(bench.probe(0n))).toBe('01h');
    expect(bench.get(REG.GSTS)).toBe(TE | SRTP);
  });

  it.each([
    { esrtps: true, seen: '02h' },
    { esrtps: false, seen: DATA },
  ])('with ESRTPS $esrtps flushes every cache of DMA remapping or none.', ({ esrtps, seen }) => {
    if (esrtps) proves('CAP_REG.ESRTPS');
    const bench = new Bench({ esrtps })
      .usual()
      .entry(1, 1, DATA | BOTH)
      .enable();
    bench.read(0n);
    bench.context(0n, 0n);
    bench.command(SRTP);
    expect(outcome(bench.probe(0n)), 'IOTLB').toBe(seen);
    expect(outcome(bench.probe(0x1000n)), 'context cache').toBe(seen);
  });

  it('need not come again for remapping to be switched off and on, which flushes nothing while SMTS is 0.', () => {
    proves('GCMD_REG.TE');
    const bench = new Bench().usual().enable();
    bench.read(0n);
    bench.context(0n, 0n);
    bench.stop(TE);
    expect(outcome(bench.probe(0n))).toBe(0n);
    bench.command(TE);
    expect(outcome(bench.probe(0n))).toBe(DATA);
  });
});

describe('Without remapping (TES is 0)', () => {
  it('an untranslated request passes, and a translated one is an unsupported request without a fault.', () => {
    const bench = new Bench().usual();
    expect(bench.write(0x5000n)).toMatchObject({ ok: true, segments: [{ address: 0x5000n }] });
    const request = { requester: 0x18, address: 0n, addressType: 'translated' } as const;
    expect(bench.rig.dma({ ...request, write: false, length: 4 })).toEqual({ ok: false, status: 'UR' });
    expect(bench.rig.dma({ ...request, write: true, data: new Uint8Array(4) })).toEqual({
      ok: false,
      status: 'dropped',
    });
    expect(bench.get(REG.FSTS)).toBe(0n);
  });
});

describe('A probe', () => {
  const registers = (bench: Bench): bigint[] => Array.from({ length: 512 }, (_, i) => bench.get(i * 8, 8));

  it('gives the answer of the real request and changes no register, no cache and no memory.', () => {
    const bench = new Bench({ cm: true })
      .usual()
      .entry(1, 1, 0n)
      .entry(1, 2, DATA | WRITE)
      .enable();
    const before = registers(bench);
    for (const page of [0n, 1n, 2n, 3n, 0x8_0000_0000n]) {
      for (const write of [false, true]) bench.probe(page << 12n, { write });
      bench.probe(page << 12n, { sid: 0x20 });
    }
    expect(bench.probe(0x1000n)).toMatchObject({ ok: false, status: 'UR', fault: { code: 6, recorded: true } });
    expect(registers(bench)).toEqual(before);
    // Nothing was cached, though CM is 1: the tables count as they are now.
    bench.entry(1, 0, 0n).entry(1, 1, DATA | BOTH);
    expect(outcome(bench.probe(0n))).toBe('06h');
    expect(outcome(bench.probe(0x1000n))).toBe(DATA);
    bench.context(0n, 0n);
    expect(outcome(bench.probe(0x1000n))).toBe('02h');
  });

  it('does not change which entries later make room for others.', () => {
    const page = fc.nat(600);
    const step = fc.oneof(
      { weight: 8, arbitrary: fc.record({ page, move: fc.constant(false), probe: fc.array(page, { maxLength: 2 }) }) },
      { weight: 1, arbitrary: fc.record({ page, move: fc.constant(true), probe: fc.array(page, { maxLength: 2 }) }) },
    );
    fc.assert(
      fc.property(fc.array(step, { minLength: 400, maxLength: 500 }), (steps) => {
        const [plain, probed] = [new Bench(), new Bench()];
        for (const bench of [plain, probed]) {
          bench.usual().entry(2, 1, SPARE | BOTH);
          for (let i = 0; i < 1024; i++)
            bench.write64(i < 512 ? tableAt(1) + BigInt(i) * 8n : SPARE + BigInt(i - 512) * 8n, DATA | BOTH);
          bench.enable();
        }
        let frame = DATA;
        for (const { page: n, move, probe } of steps) {
          for (const other of probe) probed.probe(BigInt(other) << 12n);
          if (move) {
            frame += 0x1000n;
            const table = n < 512 ? tableAt(1) + BigInt(n) * 8n : SPARE + BigInt(n - 512) * 8n;
            for (const bench of [plain, probed]) bench.write64(table, frame | BOTH);
          }
          const address = BigInt(n) << 12n;
          expect(outcome(probed.read(address))).toBe(outcome(plain.read(address)));
        }
      }),
      { numRuns: 6 },
    );
  });
});

describe('A translation request', () => {
  const memory = new PhysicalMemory();
  const put = (address: bigint, ...values: readonly bigint[]): void => {
    values.forEach((value, i) => {
      memory.write64(Number(address) + i * 8, value);
    });
  };

  function unit(capability: Capability, tt: bigint): VtdUnit {
    put(ROOT, CONTEXT | 1n, 0n);
    put(CONTEXT + 0x180n, tableAt(4) | 1n | (tt << 2n), 0x102n);
    for (let level = 4; level > 1; level--) put(tableAt(level), tableAt(level - 1) | BOTH);
    put(tableAt(1), DATA | BOTH, 0n, DATA | 1n, 0xfee0_0000n | BOTH, DATA | BOTH | (1n << 62n));
    put(tableAt(2) + 8n, 0x4000_0000n | BOTH | PS);
    const caches = { iotlb: { sets: 16, ways: 4 }, contextCache: { sets: 4, ways: 4 } };
    const made = bareUnit({ capabilities: capabilities(capability), ...caches }, { memory });
    made.write(REG.RTADDR, 8, ROOT);
    made.write(REG.GCMD, 4, SRTP | TE);
    return made;
  }

  function ask(
    asked: VtdUnit,
    address: number,
    addressType: number = AddressType.TRANSLATION,
    access: number = Access.READ,
  ) {
    const t = new Translation<Fault>().ask(0x18, NO_PASID, access, Math.floor(address / 2 ** 32), address | 0);
    t.addressType = addressType;
    asked.translate(t);
    return { status: t.status, fault: t.fault?.name, rights: t.leaf.rights, recorded: t.recorded };
  }
  const granted = (rights: number) => ({ status: Status.SUCCESS, fault: undefined, rights, recorded: false });

  it('is answered with the rights that are there, and none of them missing is a fault.', () => {
    const one = unit({}, 1n);
    for (let round = 0; round < 2; round++) {
      expect(ask(one, 0)).toEqual(granted(3));
      expect(ask(one, 0x1000)).toEqual(granted(0));
      expect(ask(one, 0x2000)).toEqual(granted(1));
      expect(ask(one, 0x20_0000)).toEqual(granted(3));
    }
    expect(one.read(REG.FSTS, 4)).toBe(0n);
  });

  it('beyond the tables is answered without rights and not recorded (LGN.1.1).', () => {
    const one = unit({}, 1n);
    expect(ask(one, 2 ** 48)).toMatchObject({ status: Status.SUCCESS, fault: 'LGN.1.1', rights: 0, recorded: false });
    expect(one.read(REG.FSTS, 4)).toBe(0n);
  });

  it('that meets an error in a table is aborted and recorded with AT=01.', () => {
    proves('FRCD_REG.AT');
    const one = unit({}, 1n);
    const aborted = { status: Status.COMPLETER_ABORT, recorded: true };
    expect(ask(one, 0x4000)).toMatchObject({ ...aborted, fault: 'LSS.2' });
    expect((one.read(REG.FRCD + 8, 8) >> 60n) & 3n).toBe(1n);
    expect(ask(unit({}, 1n), 0x3000)).toMatchObject({ ...aborted, fault: 'LGN.4' });
  });

  it.each([0n, 2n])('is an unsupported request with TT %i (LCT.5).', (tt) => {
    const refused = { status: Status.UNSUPPORTED_REQUEST, fault: 'LCT.5', recorded: true };
    expect(ask(unit({}, tt), 0)).toMatchObject(refused);
    expect(ask(unit({}, tt), 0, AddressType.TRANSLATED)).toMatchObject(refused);
  });

  it('for FEEx_xxxxh is no fault.', () => {
    expect(ask(unit({}, 1n), 0xfee0_0000)).toMatchObject({ status: Status.SUCCESS, fault: undefined });
  });

  it('for a page that is not present leaves nothing in the IOTLB while CM is 0.', () => {
    const one = unit({ cm: false }, 1n);
    expect(ask(one, 0x1000)).toEqual(granted(0));
    put(tableAt(1) + 8n, DATA | BOTH);
    expect(ask(one, 0x1000)).toEqual(granted(3));
    expect(ask(one, 0x1000, AddressType.UNTRANSLATED, Access.WRITE).status).toBe(Status.SUCCESS);
  });

  it('for a page that is not present may leave that in the IOTLB while CM is 1, as here.', () => {
    proves('CAP_REG.CM');
    const one = unit({ cm: true }, 1n);
    expect(ask(one, 0x1000)).toEqual(granted(0));
    put(tableAt(1) + 8n, DATA | BOTH);
    expect(ask(one, 0x1000)).toEqual(granted(0));
  });
});
