/**
 * Interrupt remapping with entries that name nobody, tables that devices share, and entries that stay (XSA-49,
 * XSA-36): who can raise whose interrupts when that is done by hand or when hardware is not told; and behind our
 * kernel. A lookup that waits for its own lock (XSA-467) has no counterpart: whose id requests carry is known since
 * enumeration.
 */
import { describe, expect, it } from 'vitest';
import { type Script, us } from '../../hardware/sim/index.ts';
import { buildDmar } from '../../src/machine/firmware/dmar.ts';
import { buildMachine } from '../../src/machine/index.ts';
import { AmdBench } from '../kernel/amd-bench.ts';
import { Bench, ONE_UNIT } from '../kernel/bench.ts';
import { chainTo, type MachineBench } from '../kernel/machine-bench.ts';
import { both, type Drive, deviceEntryOf, drive, ok, type Subject } from './careless.ts';

const interruptEntryCache = { sets: 4, ways: 4 };
const kernel = { remapInterrupts: true };
const VTD: Subject = {
  name: 'VT-d',
  ats: false,
  make: () => {
    const tables = chainTo(buildDmar({ ...ONE_UNIT, interruptRemapping: true }));
    return new Bench({ ecap: { IR: 1 }, caches: { interruptEntryCache }, kernel, tables });
  },
};
const AMD: Subject = {
  name: 'AMD-Vi',
  ats: false,
  make: () => new AmdBench({ caches: { interruptEntryCache }, kernel }),
};

interface Rung extends Drive {
  /** How often the handler has run. */
  count: number;
}

/** A device whose driver has asked for an interrupt. */
function* withInterrupt(bench: MachineBench, name: string): Script<Rung> {
  const device: Rung = { ...(yield* drive(bench, name)), count: 0 };
  ok(
    yield* device.driver.requestInterrupt(
      0,
      // biome-ignore lint/correctness/useYield: it only counts
      function* () {
        device.count++;
      },
    ),
  );
  return device;
}

const messageOf = ({ driver }: Drive) => driver.interruptMessages[0]!;

/** A device writes an interrupt message, whoever it was given to. */
function* raise({ dma }: Drive, { address, data }: ReturnType<typeof messageOf>): Script {
  yield* dma.write(BigInt(address), Uint8Array.of(data & 0xff, data >>> 8, 0, 0));
  yield us(20);
}

/** What becomes of an interrupt of dev0 that dev1 raises, as each has its own. */
function raisedByOther({ make }: Subject, careless: ((bench: MachineBench, devices: Rung[]) => void) | null): number {
  const bench = make().boot();
  return bench.run(
    (function* () {
      const owner = yield* withInterrupt(bench, 'dev0');
      const other = yield* withInterrupt(bench, 'dev1');
      careless?.(bench, [owner, other]);
      yield* raise(other, messageOf(owner));
      return owner.count;
    })(),
  );
}

describe('An interrupt of one device', () => {
  it('on VT-d is raised by another where its entry names no source; not with our kernel', () => {
    // VT-d 9.9: SVT is in bits 83:82. IRTA_REG is at b8h; the index of the first entry is 0.
    const unnamed = raisedByOther(VTD, ({ unit, memory }) => {
      const at = Number(unit.read(0xb8, 8) & ~0xfffn) + 8;
      memory.write64(at, memory.read64(at) & ~(3n << 18n));
    });
    expect([unnamed, raisedByOther(VTD, null)]).toEqual([1, 0]);
  });

  it('on AMD-Vi is raised by another where both share a table; not with our kernel', () => {
    // amd-vi.md 2.1: the interrupt table is named in the third of four words.
    const shared = raisedByOther(AMD, (bench, [owner, other]) => {
      const [from, to] = [deviceEntryOf(bench, owner!) + 16, deviceEntryOf(bench, other!) + 16];
      bench.memory.write64(to, bench.memory.read64(from));
    });
    expect([shared, raisedByOther(AMD, null)]).toEqual([1, 0]);
  });

  it.each([VTD, AMD])(
    'on $name is raised by its former device where the entry stays; not with our kernel',
    (subject) => {
      const found = both(subject, ['interrupt entries'], function* (bench, careless) {
        const former = yield* withInterrupt(bench, 'dev0');
        const message = messageOf(former);
        yield* raise(former, message);
        careless();
        expect(yield* former.driver.release()).toBe(0);
        // The vector is free again, and the next who asks gets it.
        const next = yield* withInterrupt(bench, 'dev1');
        const again = yield* drive(bench, 'dev0');
        yield* raise(again, message);
        return next.count;
      });
      expect(found).toEqual({ careless: 1, ours: 0 });
    },
  );
});

describe.each(['intel-fabric', 'amd-fabric'])(
  'On %s devices behind a bridge, whose requests carry its id,',
  (preset) => {
    it('get their interrupts, both at once, and nobody waits for ever', () => {
      const machine = buildMachine({ preset, kernel: { interruptRemapping: 'on' } });
      const { engine } = machine;
      engine.runUntilDone(engine.spawn(machine.boot()));
      const asking = ['pci0', 'pci1'].map((name) => {
        const driver = ok(machine.kernel.driver(name));
        return engine.spawn(driver.requestInterrupt(0, function* () {}));
      });
      engine.run();
      expect(asking.map((task) => task.ended && task.result)).toEqual([0, 0]);
    });
  },
);
