/** A core and the queue of its unit, of either vendor: what is forgotten, who is told, how long it takes. */
import { describe, expect, it } from 'vitest';
import { COMMAND_HEAD, PPR_HEAD, PPR_TAIL } from '../../hardware/amdvi/spec/index.ts';
import { Access, NO_PASID, Translation } from '../../hardware/iommu/index.ts';
import { after, Engine, ns, type Script } from '../../hardware/sim/index.ts';
import {
  INVALIDATING_MACHINES,
  type InvalidatingMachineName,
} from '../../src/machine/measured/invalidating-machines.ts';
import { measureInvalidation } from '../../src/machine/measured/invalidation-batches.ts';
import { timeOfFaults } from '../../src/machine/measured/page-faults.ts';
import { QueueOwner } from '../../src/machine/measured/queue-owner.ts';
import { REQUESTER } from '../../src/machine/measured/unit-queue.ts';

const NAMES = Object.keys(INVALIDATING_MACHINES) as InvalidatingMachineName[];
const PAGES = [4, 5, 6, 7, 8] as const;

/** A core whose unit has translated some pages. */
function coreAfterUse(name: InvalidatingMachineName) {
  const core = new QueueOwner(name);
  const { unit } = core.ring;
  const t = new Translation();
  const ask = (page: number): typeof t => t.ask(REQUESTER, NO_PASID, Access.READ, 0, page * 4096);
  const use = (page: number): number => {
    unit.translate(ask(page));
    return t.hpaLo;
  };
  for (const page of PAGES) use(page);
  const kept = (): number[] => PAGES.filter((page) => unit.hit(ask(page)));
  return { core, use, kept };
}

describe.each(NAMES)('The unit of %s', (name) => {
  it('keeps what it has translated until it is told to forget it, and then walks again', () => {
    const { core, use, kept } = coreAfterUse(name);
    expect(kept()).toEqual(PAGES);
    const before = use(5);
    core.nanoseconds([core.ring.forget({ page: 5, mask: 0 })]);
    expect(kept()).toEqual([4, 6, 7, 8]);
    expect(use(5)).toBe(before);
    expect(kept()).toEqual(PAGES);
  });

  it('forgets as many pages as it is told, or all of the domain', () => {
    const { core, kept } = coreAfterUse(name);
    core.nanoseconds([core.ring.forget({ page: 4, mask: 2 })]);
    expect(kept()).toEqual([8]);
    core.nanoseconds([core.ring.forget('domain')]);
    expect(kept()).toEqual([]);
  });

  it('has done so when the core goes on, however often the ring comes round', () => {
    const { core, use, kept } = coreAfterUse(name);
    for (let i = 0; i < core.ring.slots; i++) {
      use(5);
      core.nanoseconds([core.ring.forget({ page: 5, mask: 0 })]);
      expect(kept()).toEqual([4, 6, 7, 8]);
    }
  });

  it('takes no more at once than the ring has places for', () => {
    const core = new QueueOwner(name);
    const { slots } = core.ring;
    const all = Array.from({ length: slots - 1 }, () => core.ring.forget('domain'));
    expect(() => core.nanoseconds(all)).toThrow(`the ring takes ${slots - 2}`);
    expect(core.nanoseconds(all.slice(1))).toBeGreaterThan(0);
  });

  it('has times that say where they come from', () => {
    const { name: _name, vendor: _vendor, unit: _unit, ...rest } = INVALIDATING_MACHINES[name];
    for (const value of Object.values(rest)) {
      if (typeof value !== 'object') continue;
      expect([value.unit, value.meaning, value.source]).not.toContain('');
    }
  });
});

it('An AMD machine has no time of hardware that is more than assumed', () => {
  const { register, fetch, cache, dram } = INVALIDATING_MACHINES.epyc;
  for (const { certainty } of [register, fetch, cache, dram]) expect(certainty).toBe('assumed');
});

describe.each(['dsa', 'epyc'] as const)('A device behind the unit of %s', (name) => {
  const { device } = INVALIDATING_MACHINES[name];

  it('is told what to forget, and the core waits for its answer', () => {
    const core = new QueueOwner(name);
    const told: unknown[] = [];
    core.onMessage = (message) => told.push(message);
    const one = core.ring.forgetOnDevice({ page: 5, mask: 0 });
    expect(core.nanoseconds([one])).toBeGreaterThan(device.value);
    core.nanoseconds([core.ring.forgetOnDevice({ page: 8, mask: 3 })]);
    expect(told).toMatchObject([
      { kind: 'invalidate', requester: REQUESTER, address: 5n << 12n, isRange: false },
      // The lowest 0 bit from bit 12 on is half the size.
      { kind: 'invalidate', requester: REQUESTER, address: 0b1011n << 12n, isRange: true },
    ]);
  });

  it('is told of many pages at a time, which takes far less than one after the other', () => {
    const time = (batch: number): number =>
      measureInvalidation({ machine: name, piece: 'page', batch, pages: 64, deviceTlbs: 1 }).ns;
    expect(time(1)).toBeGreaterThan(device.value);
    expect(time(64)).toBeLessThan(device.value / 5);
  });
});

describe('A core with the command buffer of an AMD-Vi unit', () => {
  const { register, fetch, cache, descriptor, look } = INVALIDATING_MACHINES.epyc;
  const access = fetch.value + cache.value;
  /** Two commands are read and a number is stored, from the first write of the tail register on. */
  const ready = descriptor.value + register.value / 2 + 3 * access;

  it('looks at the number as soon as it has written its commands, and then once in a microsecond', () => {
    const core = new QueueOwner('epyc');
    const written = 2 * descriptor.value;
    const looks = Math.ceil((ready - written) / look.value);
    const took = core.nanoseconds([core.ring.forget('domain')]);
    expect(took).toBeCloseTo(written + looks * look.value + cache.value, 9);
    expect(looks).toBe(1);
  });

  it('has none of the lock while it waits: another may submit meanwhile', () => {
    const engine = new Engine();
    const core = new QueueOwner('epyc', engine);
    const ends: number[] = [];
    let locked = 0;
    const submitter = {
      enter: () => {},
      // biome-ignore lint/correctness/useYield: nobody has to wait for it
      *lock(): Script {
        expect(locked++).toBe(0);
      },
      unlock: () => {
        locked--;
      },
      part: () => 0,
    };
    const submit = function* (): Script {
      yield* core.submit([core.ring.forget('domain')], submitter);
      ends.push(engine.now / 1000);
    };
    engine.spawn(submit());
    engine.runUntil(after(engine.now, ns(20)));
    expect(locked).toBe(0);
    engine.spawn(submit());
    engine.run();
    const first = 2 * descriptor.value + look.value + cache.value;
    // Its own looks are 20 ns later, and the unit is at the other's commands first.
    const second = 20 + 2 * descriptor.value + 2 * look.value + cache.value;
    expect(ends).toEqual([first, second]);
  });

  it('is told of page requests by an interrupt, and leaves nothing in the log', () => {
    const core = new QueueOwner('epyc');
    const { engine, ring } = core;
    const { unit } = ring;
    const read = (offset = 0): bigint => unit.read(offset, 8);
    const answers: unknown[] = [];
    core.onMessage = (message) => answers.push(message);
    core.onInterrupt = () => {
      expect(read(PPR_TAIL.$.offset)).not.toBe(read(PPR_HEAD.$.offset));
      engine.spawn(
        (function* (): Script {
          yield* ring.readPageRequests();
          yield* core.submit([ring.answer()]);
        })(),
      );
    };
    ring.takePageRequests();
    const kind = { read: true, write: true, execute: false, privileged: false, last: true };
    for (let n = 1; n <= 300; n++) {
      unit.requestPage({ requester: REQUESTER, pasid: NO_PASID, hi: 0, lo: n << 12, ...kind, group: 0 });
      engine.run();
      expect(answers).toHaveLength(n);
    }
    expect(answers[0]).toMatchObject({ kind: 'page group response', requester: REQUESTER, group: 0, code: 0 });
    expect(read(PPR_HEAD.$.offset)).toBe(read(PPR_TAIL.$.offset));
    expect(read(COMMAND_HEAD.$.offset)).toBe(BigInt(((2 * 300) % ring.slots) * ring.slotBytes));
  });
});

describe.each(['intel', 'amd'] as const)('Page faults on %s', (vendor) => {
  it('take what software takes for each, and little of the unit', () => {
    const one = timeOfFaults('gpu', 1, 1, vendor);
    expect(one).toBeGreaterThan(140_000);
    expect(one).toBeLessThan(143_000);
    expect(timeOfFaults('gpu', 64, 1, vendor) / one).toBeCloseTo(64, 0);
    expect(timeOfFaults('gpu', 64, 64, vendor)).toBeLessThan(2 * one);
  });
});
