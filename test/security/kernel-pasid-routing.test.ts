/**
 * Requests with a PASID below a switch without access control (Linux 201007ef): ports route by address alone, so that
 * one whose address is also that of a peer's registers ends there. A driver that switches PASIDs on all the same, and
 * ours, which refuses.
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
import { EOPNOTSUPP } from '../../src/uapi/index.ts';
import { ok, POISON } from './careless.ts';

const dmaEngine = (name: string, at: string) => ({ name, at, model: 'dma-engine' as const, pasidWidth: 20 });
const PASID = 5;
const PAGE_BYTES = 0x1000;
/** Where a DMA engine has its buffer. */
const BUFFER = 0x1000;

class Fabric {
  readonly machine: Machine;

  constructor(preset: string) {
    this.machine = buildMachine({
      preset,
      rootPorts: [
        { name: 'open-port', at: '00:1c.0', acs: [] },
        { name: 'port', at: '00:1d.0' },
      ],
      switches: [
        { name: 'open', at: 'open-port:00.0', ports: 2, acs: [] },
        { name: 'guarded', at: 'port:00.0', ports: 2 },
      ],
      bridges: [],
      devices: [
        dmaEngine('open0', 'open-0:00.0'),
        dmaEngine('open1', 'open-1:00.0'),
        dmaEngine('guarded0', 'guarded-0:00.0'),
        dmaEngine('guarded1', 'guarded-1:00.0'),
        dmaEngine('root0', '00:02.0'),
      ],
    });
    this.run(this.machine.boot());
  }

  readonly run = <T>(script: Script<T>): T => {
    const result = this.machine.engine.runUntilDone(this.machine.engine.spawn(script));
    this.machine.engine.run();
    return result;
  };

  take(name: string): KernelDriver {
    const driver = ok(this.machine.kernel.driver(name));
    this.run(driver.setBusMaster(true));
    return driver;
  }

  /** A device writes under its PASID at an address that a peer has registers at: what the page and the peer have then. */
  write(driver: KernelDriver, peer: KernelDriver): { page: number; peer: number } {
    const [bar] = [...peer.device.bars.values()];
    const at = bar!.address + BUFFER;
    return this.run(
      (function* () {
        const domain = ok(yield* driver.domain({ stage: 'first' }));
        const buffer = ok(driver.memory.allocate(1));
        ok(yield* driver.map(domain, at / PAGE_BYTES, buffer, { read: true, write: true }));
        ok(yield* driver.attach(domain, { pasid: PASID }));
        const engine = new DmaEngineDriver(registersOf(driver, 0));
        yield* engine.write(BigInt(at), Uint8Array.of(POISON), { pasid: PASID });
        yield* engine.read(BigInt(at), 1, { pasid: PASID });
        const found = Number(yield* peer.read(bar!.index, BUFFER, 4)) & 0xff;
        return { page: driver.memory.read(buffer, 0, 1)[0]!, peer: found };
      })(),
    );
  }
}

/** PASIDs are switched on by bit 0 of the control register, six bytes into the capability, which is the last one here. */
function* switchOn(driver: KernelDriver): Script {
  for (let at = 0x100; at !== 0; ) {
    const head = yield* driver.configRead(at, 4);
    if ((head & 0xffff) === 0x1b) return yield* driver.configWrite(at + 6, 2, 1);
    at = head >>> 20;
  }
}

describe.each(['intel-scalable', 'amd-full'])('On %s a request with a PASID', (preset) => {
  it('ends at a peer whose registers have its address, when its driver does not ask the kernel', () => {
    const fabric = new Fabric(preset);
    const [driver, peer] = [fabric.take('open0'), fabric.take('open1')];
    fabric.run(switchOn(driver));
    expect(fabric.write(driver, peer)).toEqual({ page: 0, peer: POISON });
  });

  it('goes where its PASID says when the kernel has let the device send it', () => {
    const fabric = new Fabric(preset);
    const [driver, peer] = [fabric.take('guarded0'), fabric.take('guarded1')];
    expect(fabric.run(driver.permit({ pasid: true }))).toBe(0);
    expect(fabric.write(driver, peer)).toEqual({ page: POISON, peer: 0 });
  });

  it.each([
    ['open0', -EOPNOTSUPP],
    ['guarded0', 0],
    ['root0', 0],
  ])('is allowed only where every port on the way sends requests up (%s)', (name, result) => {
    const fabric = new Fabric(preset);
    expect(fabric.run(fabric.take(name).permit({ pasid: true }))).toBe(result);
  });
});
