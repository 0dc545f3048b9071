/** ACS Translation Blocking: whom the kernel lets it apply to, and what that means for ATS. */
import { describe, expect, it } from 'vitest';
import type { Script } from '../../hardware/sim/index.ts';
import { buildMachine, type KernelDriver } from '../../src/machine/index.ts';
import { formatLine, Recorder } from '../../src/recorder/index.ts';
import { ENODEV, EOPNOTSUPP } from '../../src/uapi/index.ts';

const KEEPS_TRANSLATIONS = { model: 'dma-engine', deviceTlb: { sets: 1, ways: 4 } } as const;

function boot(preset: string) {
  const machine = buildMachine({
    preset,
    rootPorts: [
      { name: 'port0', at: '00:1c.0' },
      { name: 'port1', at: '00:1d.0', acs: ['source-validation', 'request-redirect'] },
      { name: 'port2', at: '00:1e.0', acs: [] },
    ],
    switches: [{ name: 'switch0', at: 'port0:00.0', ports: 1 }],
    bridges: [],
    devices: [
      { name: 'dma0', at: 'switch0-0:00.0', ...KEEPS_TRANSLATIONS },
      { name: 'dma1', at: 'port1:00.0', ...KEEPS_TRANSLATIONS },
      { name: 'dma2', at: 'port2:00.0', ...KEEPS_TRANSLATIONS },
      { name: 'dma3', at: '00:02.0', ...KEEPS_TRANSLATIONS },
    ],
  });
  const run = <T>(script: Script<T>): T => machine.engine.runUntilDone(machine.engine.spawn(script));
  /** What is written to the ACS control register of the port above dma0. */
  const written: string[] = [];
  const recorder = new Recorder(machine.engine, machine.names);
  recorder.on('event', (event) => {
    const found = /CfgWr1 .*02:00\.0, 2 bytes at 0x156 = (\S+)\)/.exec(formatLine(event));
    if (found !== null) written.push(found[1]!);
  });
  machine.attach(recorder);
  run(machine.boot());
  const { kernel } = machine;
  const driver = (name: string) => kernel.driver(name) as KernelDriver;
  return { kernel, run, driver, written };
}

describe.each(['intel-scalable', 'amd-full'])('On %s translation blocking', (preset) => {
  it('is off until somebody wants it, and then stands beside what isolates.', () => {
    const { kernel, run, written } = boot(preset);
    const groups = kernel.iommu.groups.length;
    // Source validation, request and completion redirect, upstream forwarding; and bit 1.
    expect(written).toEqual(['0x1d']);
    expect(run(kernel.blockTranslated('dma0', true))).toBe(0);
    expect(run(kernel.blockTranslated('dma0', false))).toBe(0);
    expect(written).toEqual(['0x1d', '0x1f', '0x1d']);
    expect(kernel.iommu.groups).toHaveLength(groups);
  });

  it('is refused where no port can do it.', () => {
    const { kernel, run } = boot(preset);
    expect(run(kernel.blockTranslated('dma1', true)), 'a port with other services').toBe(-EOPNOTSUPP);
    expect(run(kernel.blockTranslated('dma2', true)), 'a port without access control').toBe(-EOPNOTSUPP);
    expect(run(kernel.blockTranslated('dma3', true)), 'a device on the root bus').toBe(-EOPNOTSUPP);
    expect(run(kernel.blockTranslated('dma9', true))).toBe(-ENODEV);
  });

  it('leaves a device behind the port no use for ATS, which its driver is told.', () => {
    const { kernel, run, driver } = boot(preset);
    run(kernel.blockTranslated('dma0', true));
    const one = driver('dma0');
    expect(run(one.permit({ ats: true }))).toBe(-EOPNOTSUPP);
    expect(run(driver('dma1').permit({ ats: true })), 'behind another port').toBe(0);
    run(kernel.blockTranslated('dma0', false));
    expect(run(one.permit({ ats: true }))).toBe(0);
  });
});
