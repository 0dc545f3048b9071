/**
 * Where the DMA of a device goes that nobody has (XSA-302, XSA-306, XSA-449, XSA-450): a careless kernel gives it
 * back to the host, or forgets ids that its requests may carry; with ours nothing gets anywhere, whatever its
 * options.
 */
import { describe, expect, it } from 'vitest';
import { PAGE_SIZE } from '../../hardware/bits/index.ts';
import { MALICIOUS, Malicious } from '../../hardware/devices/malicious/index.ts';
import { type Script, us } from '../../hardware/sim/index.ts';
import type { KernelOptions } from '../../src/kernel/index.ts';
import { registersOf } from '../../src/machine/index.ts';
import { MaliciousDriver } from '../../src/user/index.ts';
import { AmdBench } from '../kernel/amd-bench.ts';
import { PASSING, PLATFORMS } from '../kernel/dma-bench.ts';
import { engineOf, type MachineBench, setUp } from '../kernel/machine-bench.ts';
import { behind, dmaWrite, sure } from '../kernel/scalable-bench.ts';
import { byteOf, contextEntryOf, deviceEntryOf, domainOf, drive, ok, POISON, SECRET } from './careless.ts';

const RW = { read: true, write: true };
const PAGE = 0x10;

/** A page of somebody who has nothing to do with devices. */
function bystander({ kernel, memory }: MachineBench): number {
  const frame = kernel.allocator.allocate('bystander');
  memory.write(frame * PAGE_SIZE, Uint8Array.of(SECRET));
  return frame;
}

/** A device that was told to before acts now, at the address of the page as memory has it: what the page holds then. */
function* actsLate(bench: MachineBench, frame: number): Script<number> {
  // The engine writes a byte that is 0.
  yield* dmaWrite(bench, bench.kernel.devices[0]!, { address: frame * PAGE_SIZE });
  yield us(5);
  return byteOf(bench, frame);
}

describe.each(PASSING)('On %s a device that is given back', (name) => {
  it('writes the memory of others when the kernel puts it where the host’s own devices are', () => {
    const bench = PLATFORMS[name]!.make().boot();
    const { driver, devices } = behind(bench);
    const frame = bystander(bench);
    const left = bench.run(
      (function* () {
        const host = yield* sure(driver.allocateIdentity());
        expect(yield* host.attach(devices[0]!)).toBe(0);
        return yield* actsLate(bench, frame);
      })(),
    );
    expect(left).toBe(0);
  });
});

const OPTIONS: readonly Partial<KernelOptions>[] = [
  {},
  { defaultDomain: 'identity', resetOnRelease: true },
  { dmaPolicy: 'lazy', iommuMode: 'legacy', trustDevices: true },
];

describe.each([...PASSING, 'VT-d in legacy mode'])('On %s a device that nobody has', (name) => {
  it.each(OPTIONS)('gets nowhere under our kernel with %o: never used, after a driver, after a process', (kernel) => {
    const bench = PLATFORMS[name]!.make({ kernel }).boot();
    const frame = bystander(bench);
    bench.run(
      (function* () {
        expect(yield* actsLate(bench, frame)).toBe(SECRET);
        const { driver } = yield* drive(bench);
        yield* driver.dma.map(ok(driver.memory.allocate(1)), 'both');
        expect(yield* driver.release()).toBe(0);
        expect(yield* actsLate(bench, frame)).toBe(SECRET);
        const s = yield* setUp(bench);
        yield* (yield* engineOf(s)).write(0n, Uint8Array.of(POISON));
        yield* s.program.exit();
        expect(yield* actsLate(bench, frame)).toBe(SECRET);
      })(),
    );
  });
});

/** A malicious device whose requests may carry the id of one of its other functions, which does not exist. */
const EVIL = 0x0020;
const PHANTOM = EVIL + 3;
const evil = {
  more: (engine: MachineBench['engine']) => [new Malicious(engine, { ...MALICIOUS, name: 'evil', requester: EVIL })],
};

describe.each(['VT-d in legacy mode', 'AMD-Vi with host tables'])('On %s a phantom function', (name) => {
  /** Writes as itself or as its phantom to a page that it has had until it was detached; what the page holds then. */
  const left = (requester: number, routesPhantom: boolean): number => {
    const bench = PLATFORMS[name]!.make(evil).boot();
    const { memory } = bench;
    return bench.run(
      (function* () {
        const device = yield* drive(bench, 'evil');
        const { driver } = device;
        const attacker = new MaliciousDriver(registersOf(driver, 0));
        const write = (data: number) =>
          attacker.send({
            kind: 'MEMORY_WRITE',
            requester,
            address: BigInt(PAGE * PAGE_SIZE),
            data: Uint8Array.of(data, 0, 0, 0),
          });
        const domain = yield* domainOf(device);
        const buffer = ok(driver.memory.allocate(1));
        ok(yield* driver.map(domain, PAGE, buffer, RW));
        ok(yield* driver.attach(domain));
        const [at, bytes] =
          bench instanceof AmdBench ? [deviceEntryOf(bench, device), 32] : [contextEntryOf(bench, device), 16];
        if (routesPhantom) memory.write(at + (PHANTOM - EVIL) * bytes, memory.read(at, bytes)!);
        yield* write(1);
        yield us(5);
        expect(byteOf(bench, buffer.frames[0]!)).toBe(routesPhantom || requester === EVIL ? 1 : 0);
        ok(yield* driver.detach(domain));
        memory.write(buffer.frames[0]! * PAGE_SIZE, Uint8Array.of(SECRET));
        yield* write(POISON);
        yield us(5);
        return byteOf(bench, buffer.frames[0]!);
      })(),
    );
  };

  it('goes on where the kernel has routed it with its device and forgets it at the end; with ours it never gets anywhere', () => {
    expect([left(PHANTOM, true), left(PHANTOM, false), left(EVIL, false)]).toEqual([POISON, SECRET, SECRET]);
  });
});
