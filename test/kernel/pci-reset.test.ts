/** Function-level reset by the kernel: what a device forgets, and what it is told again. */
import { describe, expect, it } from 'vitest';
import type { Script } from '../../hardware/sim/index.ts';
import { buildMachine, type KernelDriver, MaliciousDriver, Program, registersOf } from '../../src/machine/index.ts';
import { EOPNOTSUPP, VFIO_BIND_IOASID_FD } from '../../src/uapi/index.ts';

function boot(kernel: { deviceReset?: 'release' | 'never' } = {}) {
  const machine = buildMachine({
    rootPorts: [{ name: 'port0', at: '00:1c.0' }],
    devices: [
      { name: 'evil0', model: 'malicious', at: 'port0:00.0' },
      { name: 'dma0', model: 'dma-engine', at: '00:01.0' },
    ],
    kernel,
  });
  const run = <T>(script: Script<T>): T => {
    const result = machine.engine.runUntilDone(machine.engine.spawn(script, 'test'));
    machine.engine.run();
    return result;
  };
  run(machine.boot());
  const take = (name: string): KernelDriver => {
    const driver = machine.kernel.driver(name);
    if (typeof driver === 'number') throw new Error(`${name}: ${driver}`);
    return driver;
  };
  return { machine, run, take };
}

/** Offsets in configuration space: command, base addresses 0 and 1. */
const [COMMAND, BAR0, BAR1] = [0x04, 0x10, 0x14];
const MEMORY_SPACE = 2;
const BUS_MASTER = 4;

describe('a device that the kernel resets', () => {
  it('has forgotten what it was told, answers where it was, and is no bus master', () => {
    const { machine, run, take } = boot();
    const driver = take('evil0');
    const evil = new MaliciousDriver(registersOf(driver, 0));
    run(driver.setBusMaster(true));
    expect(run(evil.send({ kind: 'MEMORY_WRITE', address: 0x1000n, data: Uint8Array.of(1), count: 3 })).sent).toBe(3);
    const before = [run(driver.configRead(BAR0, 4)), run(driver.configRead(BAR1, 4))];
    const start = machine.engine.now;
    expect(run(driver.reset())).toBe(0);
    // PCIe 6.6.2: 100 ms until a function must answer again.
    expect(machine.engine.now - start).toBeGreaterThanOrEqual(100_000_000_000);
    expect([run(driver.configRead(BAR0, 4)), run(driver.configRead(BAR1, 4))]).toEqual(before);
    expect(run(driver.configRead(COMMAND, 2)) & (BUS_MASTER | MEMORY_SPACE)).toBe(MEMORY_SPACE);
    expect(run(evil.loot())).toMatchObject({ busy: false, sent: 0 });
  });

  it('stops in the middle of what it does', () => {
    const { machine, run, take } = boot();
    const driver = take('evil0');
    const evil = new MaliciousDriver(registersOf(driver, 0));
    const flood = evil.send({ kind: 'MEMORY_WRITE', address: 0x1000n, data: new Uint8Array(64), count: 65_536 }, 1000);
    const started = machine.engine.runUntilDone(machine.engine.spawn(flood, 'flood'));
    expect(started.busy).toBe(true);
    expect(started.sent).toBeLessThan(1000);
    expect(run(driver.reset())).toBe(0);
    expect(run(evil.loot())).toMatchObject({ busy: false, sent: 0 });
  });

  it('must be able to: one that has no such reset is left as it is', () => {
    const { run, take } = boot();
    expect(run(take('dma0').reset())).toBe(-EOPNOTSUPP);
  });
});

describe('a device that a process gives back', () => {
  const release = (name: string, deviceReset: 'release' | 'never') => {
    const { machine, run, take } = boot({ deviceReset });
    const app = new Program(machine.kernel.process('app'));
    const device = run(app.open(`/dev/vfio/devices/${name}`));
    const ioasids = run(app.open('/dev/ioasid'));
    expect(run(app.ioctl(device, VFIO_BIND_IOASID_FD, { ioasid_fd: ioasids }))).toBe(0);
    if (name === 'evil0') {
      const evil = run(MaliciousDriver.open(app, device));
      if (typeof evil !== 'number') run(evil.send({ kind: 'MEMORY_WRITE', address: 0n, length: 4 }));
    }
    expect(run(app.close(device))).toBe(0);
    return { log: machine.kernel.log.toString(), run, driver: take(name) };
  };

  it.each([
    ['release', 0],
    ['never', 1],
  ] as const)('with deviceReset %s has sent %i TLPs by its own account', (deviceReset, sent) => {
    const { run, driver } = release('evil0', deviceReset);
    expect(run(new MaliciousDriver(registersOf(driver, 0)).loot()).sent).toBe(sent);
  });

  it('and cannot be reset, keeps what it was told, and the kernel says so', () => {
    expect(release('dma0', 'release').log).toContain('vfio 0000:00:01.0: it cannot be reset');
    expect(release('dma0', 'never').log).not.toContain('it cannot be reset');
  });
});
