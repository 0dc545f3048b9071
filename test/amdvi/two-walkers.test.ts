/** The quick walkers of host and guest tables against the step-by-step ones on random tables, each alone and in the unit. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type DeviceEntry, type HostTable, PLAIN } from '../../hardware/amdvi/device-table.ts';
import { Features } from '../../hardware/amdvi/features.ts';
import { GuestTables } from '../../hardware/amdvi/guest-tables.ts';
import { HostTables } from '../../hardware/amdvi/host-tables.ts';
import { AmdViUnit } from '../../hardware/amdvi/index.ts';
import { type AmdFault, CONTROL } from '../../hardware/amdvi/spec/index.ts';
import { highHalf, highOf, joinHalves, lowHalf, lowOf } from '../../hardware/bits/index.ts';
import { Access, Era, finish, Leaf, NO_PASID, Translation } from '../../hardware/iommu/index.ts';
import { PhysicalMemory } from '../../hardware/memory/index.ts';

/** GTSup, four levels of tables (HATS: six), PASIDs of 16 bits, GIoSup, HASup, HDSup. */
const EFR = 0x0013_000f_0000_1850n;

const RAM = 0x100_0000;
const PAGE = 0x1000n;
/** Host tables begin here, guest tables at guest address GUEST_TABLES, frames at DATA. */
const HOST_TABLES = 0x10_0000n;
const GUEST_TABLES = 0x20_0000n;
const DATA = 0x40_0000n;
const DEVICES = 0x1_0000n;
const GCR3 = 0x1_2000n;
const REQUESTER = 0x18;

const memory = new PhysicalMemory([[0, RAM]]);
const put = (at: bigint, value: bigint): void => {
  memory.write64(Number(at), value);
};
const bytesOf = ({ buffer }: Int32Array): Buffer => Buffer.from(buffer);
const changed = (before: Int32Array): boolean => !bytesOf(memory.pool).equals(bytesOf(before));

const PR = 1n;
const A = 0x20n;
const D = 0x40n;
const IR = 1n << 61n;
const IW = 1n << 62n;
const FC = 1n << 60n;
const U = 1n << 59n;

/** One bit turned over: seldom any, of all 64; rather one that means something. */
const flip = (meaningful: readonly bigint[]) =>
  fc.oneof(
    { weight: 16, arbitrary: fc.constant(0n) },
    { weight: 1, arbitrary: fc.nat(63).map((n) => 1n << BigInt(n)) },
    { weight: 2, arbitrary: fc.constantFrom(...meaningful) },
  );

const SLOTS = 4;
const TABLES = 7;
const hostTableAt = (n: number): bigint => HOST_TABLES + BigInt(n) * PAGE;

/** What an entry of a host table leads to. `down` is how many levels below its own the next table stands. */
const hostEntry = fc.record({
  down: fc.constantFrom(1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 3, 0, -1),
  page: fc.constantFrom('small', 'small', 'small', 'sized', 'sized', 'sized', 'sized here', 'here', 'here'),
  size: fc.constantFrom(0x0000n, 0x0000n, 0x0000n, 0x0000n, 0x1000n, 0x7000n, 0x1f000n, 0xff000n, 0x3ff000n),
  rights: fc.constantFrom(...Array.from({ length: 9 }, () => IR | IW), IR, IW, 0n),
  extra: fc.constantFrom(0n, 0n, FC, U, 0x010n, 0x8010_0000_0000_0000n),
  flip: flip([PR, A, D, IR, IW]),
});
type HostEntry = typeof hostEntry extends fc.Arbitrary<infer T> ? T : never;
const hostEntries = fc.array(hostEntry, { minLength: TABLES * SLOTS, maxLength: TABLES * SLOTS });

/** Tables 1 to 6, each meant for its level. */
function putHost(entries: readonly HostEntry[]): void {
  for (let level = 1; level < TABLES; level++) {
    for (let slot = 0; slot < SLOTS; slot++) {
      const { down, page, size, rights, extra, flip: turned } = entries[level * SLOTS + slot]!;
      const next = Math.max(level - down, 0);
      const isLeaf = level === 1 || next === 0 || page.endsWith('here');
      const scale = 2n ** BigInt(9 * (level - 1));
      const frame = page.startsWith('sized') ? (7n << 9n) | ((DATA | size) * scale) : DATA * scale;
      const content = isLeaf ? frame : hostTableAt(next) | (BigInt(next) << 9n);
      put(hostTableAt(level) + BigInt(slot) * 8n, (content | PR | A | D | rights | extra) ^ turned);
    }
  }
}

/** An address that uses the first entries of each table, often entry 0. */
const address = fc
  .record({ slots: fc.array(fc.constantFrom(0, 0, 0, 1, 2, 3), { minLength: 6, maxLength: 6 }), offset: fc.nat(0xfff) })
  .map(({ slots, offset }) =>
    slots.reduce((sum, slot, i) => sum | (BigInt(slot) << BigInt(12 + 9 * i)), BigInt(offset)),
  );

const hostOf = (level: number, flags: number): HostTable => {
  const table = Number(hostTableAt(level));
  const halves = { table, tableHi: highHalf(table), tableLo: lowHalf(table) };
  return { ...halves, level, accessed: flags > 0, dirty: flags > 1, domain: 1, context: 1 };
};

const count = (seen: Record<string, number>, kind: string): void => {
  seen[kind] = (seen[kind] ?? 0) + 1;
};

describe('The two walkers of host tables', () => {
  it('find the same page with the same rights, and the quick one answers only what needs no update.', () => {
    const hosts = new HostTables(new Era(), null);
    const seen: Record<string, number> = {};
    const shape = fc.record({ level: fc.integer({ min: 1, max: 6 }), flags: fc.constantFrom(0, 1, 2) });
    const requests = fc.array(fc.record({ address, wanted: fc.constantFrom(1, 2, 3), whole: fc.nat(7) }), {
      minLength: 8,
      maxLength: 8,
    });
    fc.assert(
      fc.property(hostEntries, shape, requests, (entries, { level, flags }, list) => {
        const host = hostOf(level, flags);
        for (const { address: any, wanted, whole } of list) {
          // Usually within what the top table covers.
          const iova = whole === 0 ? any : BigInt.asUintN(Math.min(12 + 9 * level, 64), any);
          putHost(entries);
          const before = memory.pool.slice();
          const t = new Translation<AmdFault>();
          const [hi, lo] = [highOf(iova), lowOf(iova)];
          const [fast, slow] = [new Leaf(), new Leaf()];
          const quick = hosts.quick(memory, fast, host, wanted, hi, lo);
          const qualities = hosts.untranslatedOnly;
          expect(changed(before)).toBe(false);
          const fault = finish(
            hosts.walk(t, slow, host, { hi, lo }, (wanted & Access.WRITE) === 0 ? 0 : wanted),
            memory,
          );
          const isPlain = fault === null && (slow.rights & wanted) === wanted && !changed(before);
          expect(quick).toBe(isPlain && slow.shift <= 31);
          count(seen, fault?.name ?? (isPlain ? `page of ${slow.shift} bits` : changed(before) ? 'updated' : 'denied'));
          if (!quick) continue;
          expect(fast).toEqual(slow);
          expect(qualities).toBe(hosts.untranslatedOnly);
        }
      }),
      { numRuns: 800 },
    );
    // The tables were random enough to end in every way.
    const sizes = Object.keys(seen).filter((kind) => kind.startsWith('page of'));
    for (const bits of [12, 13, 21, 30]) expect(seen[`page of ${bits} bits`], `${bits}`).toBeGreaterThan(5);
    expect(sizes.length).toBeGreaterThan(6);
    for (const kind of ['updated', 'denied']) expect(seen[kind], kind).toBeGreaterThan(5);
    expect(Object.keys(seen).length - sizes.length, JSON.stringify(seen)).toBeGreaterThanOrEqual(8);
  });
});

const P = 1n;
const RW = 2n;
const US = 4n;
const PS = 0x80n;
const NX = 1n << 63n;

/** A guest table of one entry per level, over host tables that map guest memory page by page; bits turned over here and there. */
const nest = fc.record({
  guest: fc.array(flip([A, D, RW, US, NX]), { minLength: 6, maxLength: 6 }),
  host: fc.array(flip([A, D, IR, IW, FC, U]), { minLength: 10, maxLength: 10 }),
  large: fc.constantFrom(0, 0, 0, 2, 3),
  hostPage: fc.constantFrom(0n, 0n, 0x7000n),
  levels: fc.constantFrom(4 as const, 5 as const),
  over: fc.constantFrom(0, 3, 4, 6),
  flags: fc.constantFrom(0, 1, 2),
  pasid: fc.constantFrom(NO_PASID, 0, 5),
  address: fc.constantFrom(0x123n, 0x1_0000_0000_0123n, 0xffff_8000_0000_0000n),
  access: fc.constantFrom(1, 2, 3),
});
type Nest = typeof nest extends fc.Arbitrary<infer T> ? T : never;

/** Guest address of the page at the end of the guest table. */
const TARGET = 0x80_0000n;

function putNest({ guest, host, large, hostPage, levels, over }: Nest): void {
  const tableAt = (level: number): bigint => GUEST_TABLES + BigInt(level) * PAGE;
  for (let level: number = levels; level >= 1; level--) {
    const isLarge = level === large;
    const target = level > 1 && !isLarge ? tableAt(level - 1) : isLarge ? 0n : TARGET;
    put(tableAt(level), (target | P | RW | US | A | D | (isLarge ? PS : 0n)) ^ guest[level]!);
  }
  for (let slot = 0; slot < 512; slot += 511) put(GCR3 + BigInt(slot) * 8n, tableAt(levels) | 1n);
  put(GCR3 + 5n * 8n, tableAt(levels) | 1n);
  const clean = PR | A | D | IR | IW;
  for (let level = over; level >= 2; level--) {
    // Another level or another table above level 3 could lead to a page that the quick walker leaves alone by its size.
    const turned = level > 3 ? host[level]! & 0xfff0_0000_0000_01ffn : host[level]!;
    put(hostTableAt(level), (hostTableAt(level - 1) | (BigInt(level - 1) << 9n) | clean) ^ turned);
    // Nor may what other tests have left, where a guest table with a bit turned over points beyond.
    for (let slot = 1; slot < SLOTS; slot++) put(hostTableAt(level) + BigInt(slot) * 8n, 0n);
  }
  if (over === 0) return;
  // The first 2 MiB in small pages; the guest's tables and page in those that follow, some of them as sized pages.
  for (let region = 0; region < 8; region++) {
    const table = hostTableAt(8 + region);
    put(hostTableAt(2) + BigInt(region) * 8n, (table | (1n << 9n) | clean) ^ (region === 4 ? host[7]! : 0n));
    for (let page = 0; page < 16; page++) {
      const at = BigInt(region) * 0x20_0000n + BigInt(page) * PAGE;
      const sized = hostPage === 0n ? at : (at & ~0xffffn) | hostPage | (7n << 9n);
      put(table + BigInt(page) * 8n, (sized | clean) ^ (region === 4 ? host[8]! : page === 2 ? host[9]! : 0n));
    }
  }
}

const deviceOf = ({ levels, over, flags }: Nest): DeviceEntry => ({
  valid: true,
  interruptsValid: false,
  fault: null,
  interruptFault: null,
  translates: true,
  grants: PLAIN | 3,
  domain: 1,
  context: 1,
  rights: 3,
  host: over === 0 ? null : hostOf(over, flags),
  guest: { gcr3: Number(GCR3), gcr3Levels: 1, levels, forRequestsWithoutPasid: true },
  deviceTlb: false,
  logsOnce: false,
  logsNone: false,
  usesExclusion: false,
  pageRequests: false,
  respondsWithPasid: false,
  snoop: false,
  words: new Uint32Array(8),
  muted: false,
});

describe('The two walkers of guest tables', () => {
  it('find the same page for the same requests, alone and over a host table, and the quick one changes nothing.', () => {
    const hosts = new HostTables(new Era(), null);
    const features = new Features({ efr: EFR }, 52);
    const registers = new Uint32Array(16);
    const seen: Record<string, number> = {};
    fc.assert(
      fc.property(nest, fc.boolean(), fc.boolean(), (shape, accessed, dirty) => {
        const caches = { era: new Era(), directory: null, roots: { sets: 4, ways: 2 } };
        const guests = new GuestTables(hosts, features, caches);
        CONTROL.GAUpdateDis.set(registers, accessed ? 0 : 1);
        CONTROL.GDUpdateDis.set(registers, dirty ? 0 : 1);
        guests.controlChanged(registers);
        const device = deviceOf(shape);
        const number = shape.pasid === NO_PASID ? 0 : shape.pasid;
        const ask = () =>
          new Translation<AmdFault>().ask(
            REQUESTER,
            shape.pasid,
            shape.access,
            highOf(shape.address),
            lowOf(shape.address),
          );
        putNest(shape);
        // The first walk leaves the top table in its cache, without which there is no quick answer.
        const first = ask();
        expect(guests.quick(memory, first, device, number)).toBe(false);
        finish(guests.walk(first, device, number), memory);
        putNest(shape);
        const before = memory.pool.slice();
        const [fast, slow] = [ask(), ask()];
        const quick = guests.quick(memory, fast, device, number);
        const found = { ...guests.page, untranslatedOnly: hosts.untranslatedOnly };
        expect(changed(before)).toBe(false);
        const fault = finish(guests.walk(slow, device, number), memory);
        const passes = fault === null && guests.page.user && (slow.leaf.rights & shape.access) === shape.access;
        expect(quick).toBe(passes && !changed(before));
        count(seen, fault?.name ?? (quick ? `over ${shape.over}` : changed(before) ? 'updated' : 'denied'));
        if (!quick) return;
        expect(fast.leaf).toEqual(slow.leaf);
        expect(found).toEqual({ ...guests.page, untranslatedOnly: hosts.untranslatedOnly });
      }),
      { numRuns: 1500 },
    );
    for (const kind of ['over 0', 'over 3', 'over 4', 'over 6', 'updated', 'denied'])
      expect(seen[kind], `${kind} of ${JSON.stringify(seen)}`).toBeGreaterThan(5);
    expect(Object.keys(seen).length).toBeGreaterThan(9);
  });

  it('give one answer through the unit, whether the IOTLB has the page or not.', () => {
    const tally = { SUCCESS: 0, fault: 0 };
    fc.assert(
      fc.property(nest, (shape) => {
        const units = [0, 1].map(() => {
          const caches = { deviceTableCache: { sets: 4, ways: 2 }, gcr3Cache: { sets: 4, ways: 2 } };
          const spec = { features: { efr: EFR }, hostAddressWidth: 48, iotlb: { sets: 4, ways: 2 }, ...caches };
          const unit = new AmdViUnit(spec, { memory, raiseMsi: () => {} });
          unit.write(0x00, 8, DEVICES);
          unit.write(0x18, 8, 0x1_0001n);
          return unit;
        });
        const [usual, stepwise] = units as [AmdViUnit, AmdViUnit];
        const mode = BigInt(shape.over);
        const had = [0n, 1n, 3n][shape.flags]!;
        const top = shape.over === 0 ? 0n : hostTableAt(shape.over);
        put(
          DEVICES + BigInt(REQUESTER) * 32n,
          3n | (had << 7n) | (mode << 9n) | top | 0x60c0_0000_0000_0000n | (2n << 58n),
        );
        put(DEVICES + BigInt(REQUESTER) * 32n + 8n, 1n | ((GCR3 >> 15n) << 16n));
        put(DEVICES + BigInt(REQUESTER) * 32n + 16n, BigInt(shape.levels - 4) << 54n);
        const ask = (): Translation<AmdFault> =>
          new Translation<AmdFault>().ask(
            REQUESTER,
            shape.pasid,
            shape.access,
            highOf(shape.address),
            lowOf(shape.address),
          );
        // Another address of the same PASID first: after it the device's entry and the top table are cached.
        putNest(shape);
        for (const unit of units) unit.translate(ask().ask(REQUESTER, shape.pasid, Access.READ, 0, 0x40_0000));
        const results = [usual, stepwise, usual].map((unit) => {
          putNest(shape);
          const t = ask();
          if (unit === usual) unit.translate(t);
          else {
            finish(unit.walk(t), memory);
            unit.report(t);
          }
          const { status, fault, hpaHi, hpaLo, snoop, domain, passed } = t;
          const place = fault === null ? { at: joinHalves(hpaHi, hpaLo), snoop, passed } : {};
          return { status, fault, ...place, ...(fault === null ? {} : { domain }) };
        });
        expect(results[0]).toEqual(results[1]);
        expect(results[2]).toEqual(results[1]);
        tally[results[1]!.fault === null ? 'SUCCESS' : 'fault']++;
        const entries = units.map(({ translator: { iotlb } }) => iotlb!.entries());
        expect(entries[0]).toEqual(entries[1]);
      }),
      { numRuns: 400 },
    );
    expect(tally.SUCCESS).toBeGreaterThan(50);
    expect(tally.fault).toBeGreaterThan(50);
  });
});
