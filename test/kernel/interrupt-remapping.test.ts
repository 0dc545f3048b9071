/** Interrupt remapping by the kernel's drivers of both vendors: what is entered, for whom, and what is left when it goes. */
import { describe, expect, it } from 'vitest';
import type { Script } from '../../hardware/sim/index.ts';
import {
  buildMachine,
  DmaEngineDriver,
  type Machine,
  type MachineInput,
  registersOf,
} from '../../src/machine/index.ts';
import { formatResult } from '../../src/uapi/index.ts';

const PRESETS = ['intel-legacy', 'intel-caching-mode', 'intel-scalable', 'amd-v1', 'amd-full'] as const;
/** Requester ids of dma0 and dma1. */
const [DMA0, DMA1] = [0x0008, 0x0010];

class Bench {
  readonly machine: Machine;
  /** Handlers that ran. */
  readonly rang: string[] = [];

  constructor(input: MachineInput) {
    this.machine = buildMachine({ ...input, kernel: { interruptRemapping: 'on' } });
    this.run(this.machine.boot());
  }

  readonly run = <T>(script: Script<T>): T => {
    const result = this.machine.engine.runUntilDone(this.machine.engine.spawn(script, 'test'));
    this.machine.engine.run();
    return result;
  };

  take(name: string) {
    const driver = this.machine.kernel.driver(name);
    if (typeof driver === 'number') throw new Error(formatResult(driver));
    this.run(driver.setBusMaster(true));
    const domain = this.run(driver.domain());
    const page = driver.memory.allocate(1);
    if (typeof domain === 'number' || typeof page === 'number') throw new Error('no memory');
    expect(this.run(driver.map(domain, 1, page, { read: true, write: true }))).toBe(0);
    expect(this.run(driver.attach(domain))).toBe(0);
    return driver;
  }

  /** The device has an interrupt whose handler leaves the device's name. */
  ask(driver: ReturnType<Bench['take']>, name: string): number {
    const { rang } = this;
    return this.run(
      // biome-ignore lint/correctness/useYield: it only writes
      driver.requestInterrupt(0, function* () {
        rang.push(name);
      }),
    );
  }

  /** A transfer to the page that is mapped, at whose end the device writes its message. */
  transfer(driver: ReturnType<Bench['take']>): void {
    const engine = new DmaEngineDriver(registersOf(driver, 0));
    this.run(engine.write(0x1000n, Uint8Array.of(1), { interrupt: true }));
  }

  get interruptFaults() {
    const { faults } = this.machine.kernel;
    return faults.filter(({ access }) => access === 'interrupt').map(({ requester }) => requester);
  }

  explain(requester: number, { address, data }: { readonly address: number; readonly data: number }) {
    return this.machine.inspect().explainInterrupt({ requester, address: BigInt(address), data });
  }
}

describe.each(PRESETS)('a kernel that remaps interrupts on %s', (preset) => {
  it('lets a device raise what it was given, and only this device', () => {
    const bench = new Bench({ preset });
    const [dma0, dma1] = [bench.take('dma0'), bench.take('dma1')];
    expect([bench.ask(dma0, 'dma0'), bench.ask(dma1, 'dma1')]).toEqual([0, 0]);
    bench.transfer(dma0);
    expect(bench.rang).toEqual(['dma0']);
    bench.transfer(dma1);
    expect(bench.rang).toEqual(['dma0', 'dma1']);
    expect(bench.interruptFaults).toEqual([]);
    const [message] = dma0.interruptMessages;
    expect(bench.explain(DMA0, message!).result.ok).toBe(true);
    // On AMD the same message from another device is that device's own.
    const other = { address: message!.address, data: 5 };
    if (preset.startsWith('amd')) expect(bench.explain(DMA1, other).result.ok).toBe(false);
    else expect(bench.explain(DMA1, message!).result).toMatchObject({ ok: false, fault: { code: 0x26 } });
  });

  it('blocks and records what a device writes that has no interrupt, or no longer', () => {
    const bench = new Bench({ preset });
    const dma0 = bench.take('dma0');
    expect(bench.explain(DMA0, { address: 0xfee0_0000, data: 0x21 }).result.ok).toBe(false);
    bench.ask(dma0, 'dma0');
    const [message] = dma0.interruptMessages;
    bench.transfer(dma0);
    expect(bench.run(dma0.release())).toBe(0);
    expect(bench.explain(DMA0, message!).result.ok).toBe(false);
    // The device still has the message, and its next owner has asked for none.
    const next = bench.take('dma0');
    bench.transfer(next);
    expect(bench.rang).toEqual(['dma0']);
    expect(bench.interruptFaults).toEqual([DMA0]);
  });

  it('gives an entry again when its owner has gone, as often as somebody comes', () => {
    const bench = new Bench({ preset });
    const messages = new Set<string>();
    for (let round = 0; round < 300; round++) {
      const driver = bench.take('dma0');
      expect(bench.ask(driver, 'dma0')).toBe(0);
      messages.add(JSON.stringify(driver.interruptMessages));
      expect(bench.run(driver.release())).toBe(0);
    }
    expect(messages.size).toBe(1);
  });
});

describe('the messages that devices are given', () => {
  it('are indexes of entries of one table on Intel, in the format that bit 4 of the address tells', () => {
    const bench = new Bench({ preset: 'intel-legacy' });
    const messages = ['dma0', 'dma1'].map((name) => {
      const driver = bench.take(name);
      bench.ask(driver, name);
      return driver.interruptMessages[0];
    });
    expect(messages).toEqual([
      { address: 0xfee0_0010, data: 0 },
      { address: 0xfee0_0030, data: 0 },
    ]);
    const entries = JSON.stringify(bench.machine.inspect().interrupts(), (_, value) =>
      typeof value === 'bigint' ? value.toString(16) : value,
    );
    // SVT = 01b and the source id above, vector and P below.
    expect(entries).toContain('400080000000000210001'.toLowerCase());
    expect(entries).toContain('400100000000000220001');
  });

  it('are indexes of entries of each device’s table on AMD', () => {
    const bench = new Bench({ preset: 'amd-v1' });
    const messages = ['dma0', 'dma1'].map((name) => {
      const driver = bench.take(name);
      bench.ask(driver, name);
      return driver.interruptMessages[0];
    });
    expect(messages).toEqual([
      { address: 0xfee0_0000, data: 0 },
      { address: 0xfee0_0000, data: 0 },
    ]);
  });
});

describe('a kernel that shall remap interrupts on a unit that cannot', () => {
  it('says so and lets them pass', () => {
    // ECAP of intel-legacy without IR.
    const bench = new Bench({ preset: 'intel-legacy', iommu: { vendor: 'intel', ecap: '0xf00f42' } });
    expect(bench.machine.kernel.log.toString()).toContain('vtd0: interrupts are not remapped');
    const driver = bench.take('dma0');
    expect(bench.ask(driver, 'dma0')).toBe(0);
    expect(driver.interruptMessages).toEqual([{ address: 0xfee0_0000, data: 0x21 }]);
  });
});
