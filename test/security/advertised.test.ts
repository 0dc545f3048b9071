/**
 * False advertising: what a device's configuration space offers is there, and does nothing while it is switched off. Each
 * capability of an honest device has its switch here, seen from the IOMMU: what reaches it, and what does not.
 */
import { describe, expect, it } from 'vitest';
import type { Script } from '../../hardware/sim/index.ts';
import {
  buildMachine,
  DmaEngineDriver,
  type KernelDriver,
  type Machine,
  registersOf,
} from '../../src/machine/index.ts';

const IOVA = 0x10_0000n;
const PAGE = 0x100;
const NOTHING_THERE = 0x30_0000n;
const PASID = 5;

/** Capability ids of both lists, by what tests them. */
const SWITCHES: Readonly<Record<string, string>> = {
  '05': 'MSI: ENABLE',
  '10': 'PCI Express: INITIATE_FLR, where FLR_SUPPORTED says so',
  '0f extended': 'ATS: ENABLE',
  '13 extended': 'PRI: ENABLE',
  '1b extended': 'PASID: ENABLE',
};

class Bench {
  readonly machine: Machine;
  readonly driver: KernelDriver;
  readonly engine: DmaEngineDriver;
  /** Address types of the requests that have come to the IOMMU. */
  readonly seen: string[] = [];
  /** Page requests that the kernel was given. */
  asked = 0;
  interrupts = 0;

  constructor(preset: string) {
    const at = { name: 'dma0', model: 'dma-engine', at: 'port0:00.0' } as const;
    const dma0 = { ...at, deviceTlb: { sets: 4, ways: 4 }, pasidWidth: 20, pageRequests: 32 };
    const rootPorts = [{ name: 'port0', at: '00:1c.0' }];
    this.machine = buildMachine({ preset, rootPorts, devices: [dma0] });
    this.run(this.machine.boot());
    const driver = this.machine.kernel.driver('dma0');
    if (typeof driver === 'number') throw new Error(`no driver: ${driver}`);
    this.driver = driver;
    this.engine = new DmaEngineDriver(registersOf(driver, 0));
    this.machine.onRequest = ({ also = [] }) =>
      void this.seen.push(also.includes('translation request') ? 'asks' : 'accesses');
  }

  readonly run = <T>(script: Script<T>): T => {
    const result = this.machine.engine.runUntilDone(this.machine.engine.spawn(script, 'test'));
    this.machine.engine.run();
    return result;
  };

  /** A page is mapped, and the device may do what `rights` say. */
  attach(rights: Parameters<KernelDriver['permit']>[0], pasid?: number): this {
    const { driver } = this;
    expect(this.run(driver.permit(rights))).toBe(0);
    this.run(driver.setBusMaster(true));
    const domain = this.run(driver.domain(pasid === undefined ? {} : { stage: 'first' }));
    const page = driver.memory.allocate(1);
    if (typeof domain === 'number' || typeof page === 'number') throw new Error('no memory');
    expect(this.run(driver.map(domain, PAGE, page, { read: true, write: true }))).toBe(0);
    const onPageRequest = (group: { respond(answer: 'invalid'): Script<number> }): void => {
      this.asked++;
      this.machine.engine.spawn(group.respond('invalid'), 'refusal');
    };
    expect(this.run(driver.attach(domain, { ...(pasid === undefined ? {} : { pasid }), onPageRequest }))).toBe(0);
    return this;
  }

  /** Clears bits of a 16-bit register of a capability. */
  clear(id: number, isExtended: boolean, offset: number, bits: number): void {
    const at = this.capabilities.find((one) => one.id === id && one.isExtended === isExtended)!.at + offset;
    this.run(this.driver.configWrite(at, 2, this.run(this.driver.configRead(at, 2)) & ~bits));
  }

  get capabilities(): { id: number; isExtended: boolean; at: number }[] {
    const read = (at: number) => this.run(this.driver.configRead(at, 4));
    const found = [];
    for (let at = read(0x34) & 0xff; at !== 0; at = (read(at) >>> 8) & 0xff) {
      found.push({ id: read(at) & 0xff, isExtended: false, at });
    }
    for (let at = 0x100; at !== 0 && read(at) !== 0; at = read(at) >>> 20) {
      found.push({ id: read(at) & 0xffff, isExtended: true, at });
    }
    return found;
  }

  /** How a read ends, and what the IOMMU has seen of it. */
  read(iova: bigint, options: Parameters<DmaEngineDriver['read']>[2] = {}): [string, string[]] {
    this.seen.length = 0;
    const result = this.run(this.engine.read(iova, 8, options));
    return [result.ok ? 'ok' : result.error, [...this.seen]];
  }
}

describe.each(['intel-scalable', 'amd-full'])('An honest device on %s', (preset) => {
  it('has no capability without a switch that is tested here', () => {
    const ids = new Bench(preset).capabilities.map(
      ({ id, isExtended }) => `${id.toString(16).padStart(2, '0')}${isExtended ? ' extended' : ''}`,
    );
    expect(ids.sort()).toEqual(Object.keys(SWITCHES).sort());
  });

  it('sends nothing without Bus Master Enable', () => {
    const bench = new Bench(preset).attach({});
    expect(bench.read(IOVA)).toEqual(['ok', ['accesses']]);
    bench.run(bench.driver.setBusMaster(false));
    expect(bench.read(IOVA)).toEqual(['NOT_MASTER', []]);
  });

  it('answers no access to its registers without Memory Space Enable', () => {
    const bench = new Bench(preset);
    expect(bench.run(bench.driver.read(0, 0, 4))).not.toBe(0xffff_ffffn);
    bench.run(bench.driver.configWrite(0x04, 2, 0));
    expect(bench.run(bench.driver.read(0, 0, 4))).toBe(0xffff_ffffn);
  });

  it('asks for translations with ATS, and without never', () => {
    const bench = new Bench(preset).attach({ ats: true });
    expect(bench.read(IOVA)).toEqual(['ok', ['asks', 'accesses']]);
    bench.clear(0x0f, true, 6, 0x8000);
    expect(bench.read(IOVA)).toEqual(['ok', ['accesses']]);
  });

  it('asks for pages with PRI, and without never', () => {
    const bench = new Bench(preset).attach({ ats: true, pageRequests: 32, pasid: true }, PASID);
    const options = { pasid: PASID, requestPages: true };
    expect(bench.read(NOTHING_THERE, options)[0]).toBe('NO_TRANSLATION');
    expect(bench.asked).toBe(1);
    bench.clear(0x13, true, 4, 1);
    expect(bench.read(NOTHING_THERE, options)[0]).toBe('NO_TRANSLATION');
    expect(bench.asked).toBe(1);
  });

  it('sends PASIDs when it may, and otherwise nothing at all', () => {
    const bench = new Bench(preset).attach({ pasid: true }, PASID);
    expect(bench.read(IOVA, { pasid: PASID })).toEqual(['ok', ['accesses']]);
    bench.clear(0x1b, true, 6, 1);
    const [end, seen] = bench.read(IOVA, { pasid: PASID });
    expect(end).not.toBe('ok');
    expect(seen).toEqual([]);
  });

  it('interrupts with MSI, and without never', () => {
    const bench = new Bench(preset).attach({});
    bench.run(
      // biome-ignore lint/correctness/useYield: it only counts
      bench.driver.requestInterrupt(0, function* () {
        bench.interrupts++;
      }),
    );
    bench.read(IOVA, { interrupt: true });
    expect(bench.interrupts).toBe(1);
    bench.clear(0x05, false, 2, 1);
    expect(bench.read(IOVA, { interrupt: true })[0]).toBe('ok');
    expect(bench.interrupts).toBe(1);
  });

  it('is not reset by a bit that it does not offer', () => {
    const bench = new Bench(preset).attach({});
    const express = bench.capabilities.find(({ id, isExtended }) => id === 0x10 && !isExtended)!.at;
    expect((bench.run(bench.driver.configRead(express + 4, 4)) >>> 28) & 1).toBe(0);
    bench.run(bench.driver.configWrite(express + 8, 2, 0x8000));
    expect(bench.read(IOVA)).toEqual(['ok', ['accesses']]);
  });
});
