/** Protected memory regions (vtd.md section 1.10), with literal register values. */
import { describe, expect, it } from 'vitest';
import { Access, finish, TIMED_IOMMU, TimedIommu, Translation } from '../../hardware/iommu/index.ts';
import { MEMORY_CONTROLLER, MemoryController, PhysicalMemory } from '../../hardware/memory/index.ts';
import { AddressType, NO_PASID, TranslationRequest } from '../../hardware/pcie/index.ts';
import { Engine } from '../../hardware/sim/index.ts';
import { type VtdSpec, VtdUnit } from '../../hardware/vtd/index.ts';
import type { Fault } from '../../hardware/vtd/spec/index.ts';
import { proves } from '../proves.ts';
import { capabilities } from './capability.ts';
import { Bench, BOTH, DATA, outcome, PS, REG, SID, SRTP, TE, tableAt } from './tables.ts';

const PMEN = 0x64;
const PLMBASE = 0x68;
const PLMLIMIT = 0x6c;
const PHMBASE = 0x70;
const PHMLIMIT = 0x78;
const EPM = 0x8000_0000n;
/** Regions are whole multiples of 2 MiB unless the specification of the unit says otherwise. */
const UNIT = 0x20_0000n;
const LOW = 0x40_0000n;
const HIGH = 0x1_0000_0000n;

function regions(options: ConstructorParameters<typeof Bench>[0] = {}): Bench {
  return new Bench({ major: 2, plmr: true, phmr: true, ...options })
    .set(PLMBASE, LOW)
    .set(PLMLIMIT, LOW)
    .set(PHMBASE, HIGH, 8)
    .set(PHMLIMIT, HIGH + UNIT, 8);
}

const isBlocked = (bench: Bench, address: bigint): boolean => {
  const results = [outcome(bench.read(address)), outcome(bench.write(address)), outcome(bench.probe(address))];
  if (results.every((result) => typeof result === 'string')) {
    expect(results).toEqual(['UR', 'dropped', 'UR']);
    return true;
  }
  expect(results).toEqual([address, address, address]);
  return false;
};

describe('The registers of protected memory', () => {
  it('read 0 in bits N to 0, which software finds by writing ones.', () => {
    proves('CAP_REG.PLMR', 'CAP_REG.PHMR');
    const bench = new Bench({ plmr: true, phmr: true, haw: 39 });
    for (const [offset, size, expected] of [
      [PLMBASE, 4, 0xffe0_0000n],
      [PLMLIMIT, 4, 0xffe0_0000n],
      [PHMBASE, 8, 0x7f_ffe0_0000n],
      [PHMLIMIT, 8, 0x7f_ffe0_0000n],
    ] as const) {
      expect(bench.set(offset, 2n ** 64n - 1n, size).get(offset, size), offset.toString(16)).toBe(expected);
    }
  });

  it('do not exist without their capability: a region of an absent pair protects nothing.', () => {
    const none = new Bench({ major: 2 }).set(PMEN, EPM).set(PLMBASE, -1n).set(PHMLIMIT, -1n, 8);
    expect([none.get(PMEN), none.get(PLMBASE), none.get(PHMLIMIT, 8)]).toEqual([0n, 0n, 0n]);
    const low = new Bench({ major: 2, plmr: true }).set(PHMLIMIT, -1n, 8).set(PLMBASE, LOW).set(PMEN, EPM);
    expect(low.get(PMEN)).toBe(EPM | 1n);
    expect([low.get(PHMLIMIT, 8), isBlocked(low, 0n)]).toEqual([0n, false]);
    const high = new Bench({ major: 2, phmr: true }).set(PLMLIMIT, -1n).set(PHMBASE, HIGH, 8).set(PMEN, EPM);
    expect([high.get(PLMLIMIT), isBlocked(high, LOW)]).toEqual([0n, false]);
  });

  it('have the N that the specification of the unit gives, from 11 to 30.', () => {
    const one = unit({ protectedRegionN: 11 });
    one.write(PLMBASE, 4, 0xffff_ffffn);
    expect(one.read(PLMBASE, 4)).toBe(0xffff_f000n);
    for (const protectedRegionN of [10, 31, 12.5]) {
      expect(() => unit({ protectedRegionN })).toThrow(/protectedRegionN: [\d.]+ is not a whole number from 11 to 30/);
    }
  });
});

describe('Protected memory', () => {
  it('is blocked from the first to the last byte of both regions while EPM is 1, and PRS says so.', () => {
    proves('PMEN_REG.EPM', 'PMEN_REG.PRS', 'PLMBASE_REG.PLMB', 'PLMLIMIT_REG.PLML');
    proves('PHMBASE_REG.PHMB', 'PHMLIMIT_REG.PHML');
    const bench = regions();
    expect([bench.get(PMEN), isBlocked(bench, LOW)]).toEqual([0n, false]);
    bench.set(PMEN, EPM);
    expect(bench.get(PMEN)).toBe(EPM | 1n);
    const inside = [LOW, LOW + UNIT - 4n, HIGH, HIGH + UNIT, HIGH + 2n * UNIT - 4n];
    const outside = [0n, LOW - 4n, LOW + UNIT, HIGH - 4n, HIGH + 2n * UNIT, 2n ** 47n];
    expect(inside.map((address) => isBlocked(bench, address))).toEqual(inside.map(() => true));
    expect(outside.map((address) => isBlocked(bench, address))).toEqual(outside.map(() => false));
    bench.set(PMEN, 0n);
    expect([bench.get(PMEN), isBlocked(bench, LOW), isBlocked(bench, HIGH)]).toEqual([0n, false, false]);
  });

  it('has no region where the limit is below the base.', () => {
    const bench = regions()
      .set(PLMLIMIT, LOW - UNIT)
      .set(PHMLIMIT, HIGH - UNIT, 8)
      .set(PMEN, EPM);
    expect(bench.get(PMEN)).toBe(EPM | 1n);
    expect([LOW - UNIT, LOW, HIGH - UNIT, HIGH].map((address) => isBlocked(bench, address))).not.toContain(true);
  });

  it('keeps the regions that stood in the registers when EPM became 1.', () => {
    const bench = regions().set(PMEN, EPM).set(PLMBASE, 0n).set(PLMLIMIT, 0n).set(PMEN, EPM);
    expect([isBlocked(bench, LOW), isBlocked(bench, 0n)]).toEqual([true, false]);
    bench.set(PMEN, 0n).set(PMEN, EPM);
    expect([isBlocked(bench, LOW), isBlocked(bench, 0n)]).toEqual([false, true]);
  });

  it('stops an access that begins outside at the page where the region begins, and writes nothing there.', () => {
    const bench = regions().set(PMEN, EPM);
    expect(bench.write(LOW - 2n, SID, new Uint8Array([1, 2, 3, 4]))).toEqual({ ok: false, status: 'dropped' });
    expect(bench.read64(LOW)).toBe(0n);
    expect(bench.read(LOW - 2n)).toEqual({ ok: false, status: 'UR' });
  });

  it('is found by the address that tables give, on a walk as on an IOTLB hit, and no fault is recorded.', () => {
    const bench = regions().usual({ leaf: LOW | BOTH });
    bench.entry(1, 1, DATA | BOTH).enable();
    expect(outcome(bench.read(0n))).toBe(LOW);
    bench.set(PMEN, EPM);
    for (const round of [1, 2]) {
      expect(bench.read(0n), `round ${round}`).toEqual({ ok: false, status: 'UR' });
      expect(bench.write(0n), `round ${round}`).toEqual({ ok: false, status: 'dropped' });
      expect(outcome(bench.read(0x1000n))).toBe(DATA);
    }
    expect([bench.get(REG.FSTS), bench.record().f, bench.messages.length]).toEqual([0n, false, 0]);
    bench.set(PMEN, 0n);
    expect(outcome(bench.read(0n))).toBe(LOW);
  });

  it('does not keep the unit from its own tables and queue.', () => {
    const bench = regions().usual().set(PLMBASE, 0n).set(PLMLIMIT, 0n);
    bench
      .entry(1, 1, LOW | BOTH)
      .set(PMEN, EPM)
      .enable()
      .enableQueue();
    expect(outcome(bench.read(0x1000n))).toBe(LOW);
    bench.submit([0x4_0000_0025n | 0x20n, 0x2_8000n]);
    expect(bench.get(REG.IQH, 8)).toBe(0x10n);
    expect([bench.read64(0x2_8000n), bench.get(REG.FSTS)]).toEqual([4n, 0n]);
    expect(outcome(bench.read(0n))).toBe('UR');
  });
});

describe('A unit of major version 1', () => {
  it('lets through what it remaps itself, and blocks the rest.', () => {
    proves('VER_REG.MAX');
    for (const [major, seen] of [
      [1, LOW],
      [2, 'UR'],
    ] as const) {
      const bench = regions({ major })
        .usual({ leaf: LOW | BOTH })
        .set(PMEN, EPM);
      expect(outcome(bench.read(LOW)), 'remapping off').toBe('UR');
      bench.enable();
      expect([outcome(bench.read(0n)), outcome(bench.read(0n))], `major ${major}`).toEqual([seen, seen]);
    }
  });

  it('blocks what passes through and what a device has translated, also while remapping is on.', () => {
    const bench = regions({ major: 1 })
      .usual({ leaf: LOW | BOTH })
      .set(PMEN, EPM);
    // TT=10 for SID, TT=01 for the function beside it.
    bench.context(0b1001n, 0x102n).context(tableAt(4) | 0b0101n, 0x102n, SID + 1);
    bench.enable();
    expect([outcome(bench.read(LOW)), outcome(bench.read(DATA))]).toEqual(['UR', DATA]);
    const translated = (address: bigint) =>
      bench.rig.dma({ requester: SID + 1, address, length: 4, write: false, addressType: 'translated' });
    expect([outcome(translated(LOW)), outcome(translated(DATA))]).toEqual(['UR', DATA]);
    expect(outcome(bench.read(0n, 4, SID + 1))).toBe(LOW);
  });
});

function spec(more: Partial<VtdSpec>): VtdSpec {
  return {
    capabilities: capabilities({ major: 2, plmr: true, phmr: true }),
    hostAddressWidth: 48,
    faultCompression: true,
    iotlb: { sets: 4, ways: 4 },
    contextCache: null,
    ...more,
  };
}

function unit(more: Partial<VtdSpec> = {}, memory = new PhysicalMemory()): VtdUnit {
  return new VtdUnit(spec(more), { memory, raiseMsi: () => {} });
}

describe('Turning protection on', () => {
  it('blocks at once, and PRS follows when the requests before have been answered.', () => {
    const memory = new PhysicalMemory();
    const one = unit({}, memory);
    const pending: Parameters<typeof one.run>[0][] = [];
    one.run = (walk) => pending.push(walk);
    one.write(PLMBASE, 4, LOW);
    one.write(PLMLIMIT, 4, LOW);
    one.write(PMEN, 4, EPM);
    expect(one.read(PMEN, 4)).toBe(EPM);
    const t = new Translation<Fault>().ask(SID, NO_PASID, Access.READ, 0, Number(LOW));
    one.translate(t);
    expect([t.status, t.fault]).toEqual([1, null]);
    for (const walk of pending) finish(walk, memory);
    expect(one.read(PMEN, 4)).toBe(EPM | 1n);
  });

  it('ends with a reset, also one that comes before PRS.', () => {
    const memory = new PhysicalMemory();
    const one = unit({}, memory);
    const pending: Parameters<typeof one.run>[0][] = [];
    one.run = (walk) => pending.push(walk);
    one.write(PLMLIMIT, 4, LOW);
    one.write(PMEN, 4, EPM);
    one.reset();
    for (const walk of pending) finish(walk, memory);
    expect([one.read(PMEN, 4), one.read(PLMLIMIT, 4)]).toEqual([0n, 0n]);
    const t = new Translation<Fault>().ask(SID, NO_PASID, Access.READ, 0, 0);
    one.translate(t);
    expect(t.status).toBe(0);
  });
});

describe('A timed unit', () => {
  it('answers a read or write of protected memory with UR, on a miss and on a hit, and records nothing.', () => {
    const engine = new Engine();
    const memory = new PhysicalMemory();
    const one = unit({}, memory);
    const agent = new TimedIommu(engine, one, new MemoryController(engine, memory, MEMORY_CONTROLLER), TIMED_IOMMU);
    const answers: number[] = [];
    agent.answers = ({ status }) => answers.push(status);
    memory.write64(0x1000, 0x2001n);
    memory.write64(0x2000 + SID * 16, tableAt(3) | 1n);
    memory.write64(0x2000 + SID * 16 + 8, 0x101n);
    memory.write64(Number(tableAt(3)), tableAt(2) | BOTH);
    memory.write64(Number(tableAt(2)), LOW | BOTH | PS);
    memory.write64(Number(tableAt(2)) + 8, 0x80_0000n | BOTH | PS);
    one.write(REG.RTADDR, 8, 0x1000n);
    one.write(REG.GCMD, 4, SRTP | TE);
    one.write(PLMBASE, 4, LOW);
    one.write(PLMLIMIT, 4, LOW);
    one.write(PMEN, 4, EPM);
    for (const [access, addressLo] of [
      [Access.READ, 0],
      [Access.WRITE, 0],
      [Access.READ, 0x20_0000],
      [Access.WRITE, 0x20_0000],
    ] as const) {
      const request = new TranslationRequest();
      Object.assign(request, { requester: SID, access, addressLo, addressType: AddressType.UNTRANSLATED, length: 4 });
      agent.requests.send(request);
      engine.run();
    }
    expect(answers).toEqual([1, 1, 0, 0]);
    expect(agent.state).toMatchObject({ hits: 2, misses: 2 });
    expect([one.read(REG.FSTS, 4), one.read(PMEN, 4)]).toEqual([0n, EPM | 1n]);
  });
});
