/**
 * Tables that hardware reads between two writes (XSA-347, CVE-2026-45944): entries that are written in a bad order by
 * hand, and where the device's DMA goes meanwhile; and after every single write of our kernel, where it would go
 * then.
 *
 * The units have no caches, so that they read what stands there now.
 */
import { describe, expect, it } from 'vitest';
import { highOf, lowOf, PAGE_SIZE } from '../../hardware/bits/index.ts';
import { Access, NO_PASID, Translation } from '../../hardware/iommu/index.ts';
import { type Script, us } from '../../hardware/sim/index.ts';
import type { DomainOptions } from '../../src/kernel/iommu/driver.ts';
import { AmdBench, GUEST_EFR } from '../kernel/amd-bench.ts';
import { Bench } from '../kernel/bench.ts';
import type { MachineBench } from '../kernel/machine-bench.ts';
import { SCALABLE, tapMemory } from '../kernel/scalable-bench.ts';
import {
  byteOf,
  contextEntryOf,
  deviceEntryOf,
  domainOf,
  drive,
  ok,
  POISON,
  poisons,
  reads,
  SECRET,
  victimOf,
} from './careless.ts';

const NO_CACHES = { iotlb: null, contextCache: null, pasidCache: null, firstStageCache: null, secondStageCache: null };
const NO_AMD_CACHES = { iotlb: null, deviceTableCache: null, gcr3Cache: null };
const legacy = () => new Bench({ caches: NO_CACHES }).boot();
const scalable = () => new Bench({ ...SCALABLE, caches: NO_CACHES }).boot();
const amd = () => new AmdBench({ caches: NO_AMD_CACHES }).boot();
const amdGuest = () => new AmdBench({ caches: NO_AMD_CACHES, efr: GUEST_EFR }).boot();

const CASES: readonly (readonly [name: string, make: () => MachineBench])[] = [
  ['VT-d in legacy mode', legacy],
  ['VT-d in scalable mode', scalable],
  ['AMD-Vi with host tables', amd],
  ['AMD-Vi with guest tables', amdGuest],
];

const RW = { read: true, write: true };
/** Index 0 leads there through every table: a walk that begins one level too low or too high finds something else. */
const PAGE = 0;
const AT = PAGE * PAGE_SIZE;
const PASID = 5;
/** Codes of faults (VT-d 7.1.3): a context entry that is not present, and one that says what cannot be. */
const [LCT_2, LCT_4] = [0x02, 0x03];

describe('An entry that is changed in a bad order', () => {
  it.each(CASES)('on %s leads to page 0 of memory when its rights are there before its address', (_, make) => {
    const bench = make();
    bench.memory.write(0, Uint8Array.of(SECRET));
    bench.run(
      (function* () {
        const device = yield* drive(bench);
        const domain = yield* domainOf(device);
        const { format } = domain.table;
        const buffer = ok(device.driver.memory.allocate(2));
        ok(yield* device.driver.map(domain, PAGE + 1, buffer, RW));
        ok(yield* device.driver.attach(domain));
        const entry = domain.table.path(PAGE + 1).at(-1)! - 8;
        bench.memory.write64(entry, format.leaf(1, 0, RW));
        yield* poisons(device, AT);
        yield us(5);
        bench.memory.write64(entry, format.leaf(1, buffer.frames[0]! * PAGE_SIZE, RW));
        expect([byteOf(bench, 0), byteOf(bench, buffer.frames[0]!)]).toEqual([POISON, 0]);
      })(),
    );
  });

  it('a context entry of VT-d is a programming error to the unit when P is taken away last', () => {
    const faultOf = (taking: (bench: MachineBench, at: number) => void): number => {
      const bench = legacy();
      bench.run(
        (function* () {
          const device = yield* drive(bench);
          ok(yield* device.driver.attach(yield* domainOf(device)));
          taking(bench, contextEntryOf(bench, device));
          expect(yield* reads(device, AT)).toBe('refused');
          yield us(20);
        })(),
      );
      return bench.kernel.faults.at(-1)!.code;
    };
    expect(faultOf(({ memory }, at) => void memory.write64(at + 8, 0n))).toBe(LCT_4);
    expect(faultOf(({ memory }, at) => void memory.write64(at, memory.read64(at) & ~1n))).toBe(LCT_2);
  });

  it.each([
    [true, POISON],
    [false, SECRET],
  ])('a context entry of VT-d leaves translations under another’s domain id behind: %s', (isTorn, left) => {
    const bench = new Bench().boot();
    const frame = bench.run(
      (function* () {
        const device = yield* drive(bench);
        const { driver } = device;
        const [other, domain] = [yield* domainOf(device), yield* domainOf(device)];
        const buffer = ok(driver.memory.allocate(1));
        ok(yield* driver.map(domain, PAGE, buffer, RW));
        ok(yield* driver.attach(domain));
        // The half with the domain id is written after P: until then it says who was here before.
        const at = contextEntryOf(bench, device);
        const upper = bench.memory.read64(at + 8);
        if (isTorn) bench.memory.write64(at + 8, (upper & 0xffn) | (BigInt(other.did) << 8n));
        expect(yield* reads(device, AT)).toBe(0);
        bench.memory.write64(at + 8, upper);
        // The page goes, and everything that has to be told is told.
        ok(yield* driver.unmap(domain, PAGE, 1));
        driver.memory.free(buffer);
        victimOf(bench, buffer.frames[0]!);
        yield* poisons(device, AT);
        yield us(5);
        return buffer.frames[0]!;
      })(),
    );
    expect(byteOf(bench, frame)).toBe(left);
  });

  it.each([
    // IR and IW are bits 61 and 62; an entry with Mode 0 leaves addresses as they are.
    ['has its rights before its table', (low: bigint) => low | (3n << 61n)],
    // Without V (bit 0) all that the device sends passes.
    ['loses V before anything else', (low: bigint) => low & ~1n],
  ])('a device table entry of AMD-Vi opens all of memory when it %s', (_, change) => {
    const bench = amd();
    const victim = bench.kernel.allocator.allocate('victim');
    bench.memory.write(victim * PAGE_SIZE, Uint8Array.of(SECRET));
    bench.run(
      (function* () {
        const device = yield* drive(bench);
        yield* poisons(device, victim * PAGE_SIZE);
        yield us(5);
        expect(byteOf(bench, victim)).toBe(SECRET);
        const at = deviceEntryOf(bench, device);
        bench.memory.write64(at, change(bench.memory.read64(at)));
        yield* poisons(device, victim * PAGE_SIZE);
        yield us(5);
        expect(byteOf(bench, victim)).toBe(POISON);
      })(),
    );
  });
});

/** What a request is told that is blocked as it should be: nothing leads on, or not with this right. */
const BLOCKED = [
  ...['LCT.2', 'LGN.3', 'RTA.2', 'SCT.2', 'SPD.2', 'SPT.2', 'SSS.2', 'SFS.2'],
  ...['DTE_DENIED', 'NOT_PRESENT', 'NO_GUEST_TABLE', 'GCR3_NOT_VALID', 'GUEST_NOT_PRESENT'].map(
    (reason) => `IO_PAGE_FAULT.${reason}`,
  ),
];

/** Pages of two large entries and of a small one, with a PASID and without. */
const ASKED = [PAGE, 0x200, 0x3ff].flatMap((page) => [NO_PASID, PASID].map((pasid) => ({ page, pasid })));

/** Where the device's reads would go now, or why not. */
function answers({ unit }: MachineBench, requester: number): (number | string)[] {
  return ASKED.map(({ page, pasid }) => {
    const t = new Translation();
    t.effects = false;
    t.requester = requester;
    t.pasid = pasid;
    t.access = Access.READ;
    const address = BigInt(page * PAGE_SIZE);
    t.hi = highOf(address) | 0;
    t.lo = lowOf(address) | 0;
    unit.translate(t);
    return t.fault === null ? (t.hpaHi >>> 0) * 2 ** 32 + (t.hpaLo >>> 0) : t.fault.name;
  });
}

/** What the device is attached to, one after the other. */
const WITHOUT_PASIDS: readonly (DomainOptions & { readonly pasid?: number })[] = [{ stage: 'second' }];
const WITH_PASIDS: typeof WITHOUT_PASIDS = [
  ...WITHOUT_PASIDS,
  { stage: 'first' },
  { stage: 'first', levels: 5, pasid: PASID },
];

describe.each(CASES)('On %s, after each write of our kernel', (_, make) => {
  it('a request goes where it went before, or where it goes in the end, or nowhere', () => {
    const bench = make();
    let seen: (number | string)[][] = [];
    let places = 0;
    const requester = bench.kernel.devices[0]!.requester;
    tapMemory(bench, () => void seen.push(answers(bench, requester)));
    function* watched(script: Script<number>): Script {
      const before = answers(bench, requester);
      seen = [];
      ok(yield* script);
      const after = answers(bench, requester);
      expect(seen.length).toBeGreaterThan(0);
      for (const [i] of ASKED.entries()) {
        for (const answer of seen.map((one) => one[i]!)) expect([before[i], after[i], ...BLOCKED]).toContain(answer);
      }
      places += after.filter((answer) => typeof answer === 'number').length;
    }
    bench.run(
      (function* () {
        const device = yield* drive(bench);
        const { driver } = device;
        const hasPasids = bench.kernel.iommu.groups[0]!.driver.abilities.pasidBits > 0;
        const small = ok(driver.memory.allocate(1));
        const large = ok(driver.memory.allocate(512, { contiguous: true }));
        for (const { pasid, ...shape } of hasPasids ? WITH_PASIDS : WITHOUT_PASIDS) {
          const domain = yield* domainOf(device, shape);
          const options = pasid === undefined ? {} : { pasid };
          yield* watched(driver.attach(domain, options));
          yield* watched(driver.map(domain, PAGE, small, RW));
          yield* watched(driver.map(domain, 0x200, large, RW));
          yield* watched(driver.detach(domain, pasid));
          yield* watched(driver.attach(domain, options));
          yield* watched(driver.unmap(domain, PAGE, 1));
          yield* watched(driver.unmap(domain, 0x200, 512));
          yield* watched(driver.detach(domain, pasid));
        }
      })(),
    );
    expect(places).toBeGreaterThan(6);
  });
});
