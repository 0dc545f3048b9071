/** What a driver in the kernel has of a space in SW TABLE mode: it asks, pins, and lets go when it is told to. */
import { describe, expect, it } from 'vitest';
import { ns, type Script } from '../../hardware/sim/index.ts';
import { IoasidContext } from '../../src/kernel/ioasid/context.ts';
import { KernelTable } from '../../src/kernel/ioasid/kernel-table.ts';
import type { SoftwareAccess, SoftwarePin, SoftwareUser } from '../../src/kernel/ioasid/software-access.ts';
import type { SoftwareDevice } from '../../src/kernel/ioasid/software-device.ts';
import type { PageRun } from '../../src/kernel/page-run.ts';
import { Bench, PAGE } from './bench.ts';

const RW = { read: true, write: true };
const READ = { read: true, write: false };
const WRITE = { read: false, write: true };
const [EPERM, ENOENT, EINVAL, EDEADLK] = [-1, -2, -22, -35] as const;
const COOKIE = 5n;
/** Page of the space where 8 pages of a process begin. */
const AT = 0x100;

/** A context with a space that a driver has in software, and 8 pages of a process in it. */
class Space {
  readonly bench = Bench.up();
  readonly context: IoasidContext;
  readonly process = this.bench.kernel.process('process');
  readonly told: PageRun[] = [];
  device!: SoftwareDevice;
  table!: KernelTable;
  root = -1;
  source = -1;
  /** What the driver does when pages go. */
  letGo: (access: SoftwareAccess) => Script = function* () {};

  constructor() {
    const { iommu, log, faultPoints } = this.bench.kernel;
    const { cost } = this.bench.bus;
    const services = { iommu, log, faultPoints, cost, mappingLimit: 64, spaceLimit: 64, trustDevices: false };
    this.context = new IoasidContext(this.bench.engine, services);
  }

  static run(body: (s: Space) => Script): Space {
    const s = new Space();
    s.bench.run(
      (function* () {
        yield* s.#begin();
        yield* body(s);
      })(),
    );
    return s;
  }

  get access(): SoftwareAccess {
    return this.device.access!;
  }

  get pinned(): number {
    return this.bench.kernel.pages.pinned;
  }

  frames(first: number, pages: number): number[] {
    return Array.from({ length: pages }, (_, i) => this.access.query(first + i)!.frame);
  }

  space(parent: number | null = null): number {
    const above = parent === null ? null : this.context.get(parent)!;
    return this.context.allocate((name) => {
      const table = above?.table ?? null;
      const shape = { name, parent: table instanceof KernelTable ? table : null, keepsMappings: true };
      return { parent: above, table: new KernelTable(shape, this.context.services) };
    });
  }

  tableOf(id: number): KernelTable {
    return this.context.get(id)!.table as KernelTable;
  }

  map(id: number, first: number, source: number, pages: number, protection = RW): Script<number> {
    const { registered } = this.context;
    return this.tableOf(id).map({ space: this.process.space, registered, source, first, pages, protection });
  }

  *#begin(): Script {
    const user: SoftwareUser = {
      unmapped: (range) => {
        this.told.push(range);
        return this.letGo(this.access);
      },
    };
    this.root = this.space();
    this.table = this.tableOf(this.root);
    this.source = Number((yield* this.process.mmap(8 * PAGE)) / BigInt(PAGE));
    expect(yield* this.map(this.root, AT, this.source, 8)).toBe(0);
    this.device = this.context.bindSoftware(user, COOKIE) as SoftwareDevice;
    expect(this.device.attach(this.context.get(this.root)!)).toBe(0);
  }
}

/** What is pinned of a range, as a number of pages. */
const pin = (access: SoftwareAccess, first: number, pages: number, want = RW): SoftwarePin =>
  access.pin({ first, pages }, want) as SoftwarePin;

describe('A driver that has a space in software', () => {
  it('learns where pages are, and with which rights', () => {
    Space.run(function* (s) {
      yield* s.map(s.root, 0x200, s.source, 1, READ);
      const { access } = s;
      const bytes = Uint8Array.of(1, 2, 3);
      s.process.store(BigInt(s.source + 3) * BigInt(PAGE), bytes);
      expect(s.bench.memory.read(access.query(AT + 3)!.frame * PAGE, 3)).toEqual(bytes);
      expect(access.query(0x200)).toEqual({ frame: s.frames(AT, 1)[0], protection: READ });
      expect([AT - 1, AT + 8, 0, 2 ** 52 - 1].map((page) => access.query(page))).toEqual(Array(4).fill(undefined));
    });
  });

  it('pins any number of pages of any number of mappings, if all may be used so', () => {
    Space.run(function* (s) {
      yield* s.map(s.root, AT + 8, s.source, 2, READ);
      yield* s.map(s.root, AT + 10, s.source, 1, WRITE);
      const { access } = s;
      const both = pin(access, AT + 6, 4, READ);
      expect([...both.frames]).toEqual(s.frames(AT + 6, 4));
      expect(access.pinned).toBe(4);
      expect(access.pin({ first: AT + 6, pages: 4 }, RW)).toBe(EPERM);
      expect(access.pin({ first: AT + 10, pages: 1 }, READ)).toBe(EPERM);
      expect(access.pin({ first: AT + 10, pages: 2 }, WRITE)).toBe(ENOENT);
      expect(access.pin({ first: AT - 1, pages: 2 }, READ)).toBe(ENOENT);
      expect(access.pin({ first: AT, pages: 2 ** 52 }, READ)).toBe(ENOENT);
      for (const pages of [0, -1, 1.5, Number.NaN]) expect(access.pin({ first: AT, pages }, READ)).toBe(EINVAL);
      access.unpin(both);
      expect(access.pinned).toBe(0);
    });
  });

  it('is told which range goes before its pages do, and only then when it uses some', () => {
    Space.run(function* (s) {
      const { access } = s;
      yield* s.map(s.root, 0x200, s.source, 1);
      const kept = pin(access, 0x200, 1);
      const used = pin(access, AT + 2, 1);
      s.letGo = function* () {
        // It takes its time; meanwhile nothing new is to be had, and nothing goes.
        yield ns(5000);
        expect(access.pin({ first: AT, pages: 1 }, READ)).toBe(ENOENT);
        expect(access.query(AT + 2)).toBeUndefined();
        expect(s.pinned).toBe(9);
        access.unpin(used);
      };
      expect(yield* s.table.unmap({ first: AT, pages: 8 })).toBe(8);
      expect(s.told).toEqual([{ first: AT, pages: 8 }]);
      expect(s.pinned).toBe(1);
      access.unpin(kept);
      expect(yield* s.table.unmap({ first: 0x200, pages: 1 })).toBe(1);
      expect(s.told).toHaveLength(1);
    });
  });

  it('has written what it pins for writing, as long as it does and once more, to who asks that', () => {
    Space.run(function* (s) {
      const { access } = s;
      const read = function* (keep = false): Script<PageRun[] | number> {
        const range = { first: AT, pages: 8 };
        const written = yield* s.table.log.read(range, keep);
        if (!keep) s.table.log.clear(range);
        return written;
      };
      const before = pin(access, AT + 1, 1, WRITE);
      expect(yield* s.table.log.set(true)).toBe(0);
      expect(yield* read(), 'still pinned').toEqual([{ first: AT + 1, pages: 1 }]);
      const used = pin(access, AT + 4, 2);
      const seen = pin(access, AT + 7, 1, READ);
      const both = [
        { first: AT + 1, pages: 1 },
        { first: AT + 4, pages: 2 },
      ];
      for (const keep of [true, false, false]) expect(yield* read(keep)).toEqual(both);
      for (const one of [before, used, seen]) access.unpin(one);
      expect(yield* read()).toEqual(both);
      expect(yield* read()).toEqual([]);
      expect(yield* s.table.log.set(false)).toBe(0);
      access.unpin(pin(access, AT, 1));
      expect(yield* s.table.log.set(true)).toBe(0);
      expect(yield* read()).toEqual([]);
    });
  });

  it('has written through a nested space what its parent is asked', () => {
    Space.run(function* (s) {
      const child = s.space(s.root);
      expect(s.device.attach(s.context.get(child)!)).toBe(0);
      expect(yield* s.map(child, 0x900, AT + 4, 2)).toBe(0);
      expect(yield* s.table.log.set(true)).toBe(0);
      const { access } = s;
      const range = { first: AT, pages: 8 };
      const used = pin(access, 0x901, 1);
      for (const end of [() => {}, () => access.unpin(used)]) {
        expect(yield* s.table.log.read(range, false)).toEqual([{ first: AT + 5, pages: 1 }]);
        s.table.log.clear(range);
        end();
      }
      expect(yield* s.tableOf(child).unmap({ first: 0x900, pages: 2 })).toBe(2);
      expect(yield* s.table.log.read(range, false)).toEqual([{ first: AT + 5, pages: 1 }]);
    });
  });

  it('is told through a nested space too, in that space’s addresses', () => {
    Space.run(function* (s) {
      const child = s.space(s.root);
      expect(s.device.attach(s.context.get(child)!)).toBe(0);
      expect(yield* s.map(child, 0x900, AT + 4, 2)).toBe(0);
      const { access } = s;
      const used = pin(access, 0x901, 1);
      // biome-ignore lint/correctness/useYield: it lets go at once
      s.letGo = function* () {
        expect(access.query(0x900)).toBeUndefined();
        access.unpin(used);
      };
      expect(yield* s.table.unmap({ first: AT, pages: 8 })).toBe(8);
      expect(s.told).toEqual([{ first: 0x900, pages: 2 }]);
      expect(s.pinned).toBe(0);
    });
  });

  it('that does not let go fails the unmap, and everything is as before', () => {
    Space.run(function* (s) {
      const { access } = s;
      const used = pin(access, AT + 7, 1);
      expect(yield* s.table.unmap({ first: AT, pages: 8 })).toBe(EDEADLK);
      expect(s.pinned).toBe(8);
      expect(access.query(AT)).toBeDefined();
      access.unpin(used);
      expect(yield* s.table.unmap({ first: AT, pages: 8 })).toBe(8);
      expect(s.pinned).toBe(0);
    });
  });

  it('that never lets go keeps its pages from being used for anything else', () => {
    const s = Space.run(function* (space) {
      pin(space.access, AT, 1);
      yield* space.context.unbindSoftware(space.device);
      yield* space.context.put();
      yield* space.process.exit();
    });
    expect(s.pinned).toBe(8);
    expect(s.bench.kernel.log.toString()).toContain('ioasid 1: ');
  });

  it('has nothing of it any more after it has left', () => {
    Space.run(function* (s) {
      const { access } = s;
      const used = pin(access, AT, 2);
      // biome-ignore lint/correctness/useYield: it lets go at once
      s.letGo = function* () {
        access.unpin(used);
      };
      expect(yield* s.device.detach(s.context.get(s.root)!)).toBe(0);
      expect(s.device.access).toBeUndefined();
      expect(access.query(AT)).toBeUndefined();
      expect(access.pin({ first: AT, pages: 1 }, READ)).toBe(ENOENT);
      const page = { page: AT, read: true, write: false, execute: false, privileged: false };
      expect(yield* access.ask(page)).toBe('invalid');
      access.report({ reason: 5, pasid: -1, address: 0n, access: 'read' });
      expect(s.context.faults.peek(1)).toEqual([]);
      expect(s.pinned).toBe(8);
    });
  });

  it('may ask for many pages at once: each question has one answer, and those beyond the queue are refused', () => {
    Space.run(function* (s) {
      const { engine } = s.bench;
      const page = { page: AT, read: true, write: false, execute: false, privileged: false };
      const tasks = Array.from({ length: 300 }, () => engine.spawn(s.access.ask(page)));
      yield ns(1);
      expect(s.context.faults.peek(1000)).toHaveLength(256);
      expect(tasks.filter(({ ended }) => ended).map(({ result }) => result)).toEqual(Array(44).fill('invalid'));
      expect(yield* s.context.faults.respond({ ioasid: s.root, group: 7, code: 0, dev_cookie: COOKIE })).toBe(0);
      yield* s.device.detachAll();
      yield ns(1);
      const answers = tasks.map(({ result }) => result);
      expect(answers.filter((answer) => answer === 'success')).toHaveLength(1);
      expect(answers.filter((answer) => answer === 'invalid')).toHaveLength(299);
    });
  });
});
