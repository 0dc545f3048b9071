/** Device scopes of the DMAR table that lead through bridges (VT-d 8.3.1). */
import { describe, expect, it } from 'vitest';
import { PhysicalMemory } from '../../hardware/memory/index.ts';
import type { DeviceScope } from '../../hardware/vtd/spec/dmar.ts';
import { dmarUnits } from '../../src/kernel/acpi/dmar-units.ts';
import { KernelLog } from '../../src/kernel/log.ts';
import { buildMachine } from '../../src/machine/index.ts';
import { MIB, RSDP } from './machine-bench.ts';
import { Drawing } from './pci-functions.ts';
import { tableOf, UNIT } from './tables.ts';

type Hop = readonly [device: number, fn: number];

const ENDPOINT = 1;
const SUB_HIERARCHY = 2;

/** bus 0 -- 1c.0 -- bus 1: 00.0 -- bus 2: 00.0 -- bus 3: a device; and 01.0 -- bus 4: two functions; 00:02.0 alone. */
function tree() {
  const drawing = new Drawing();
  const root = drawing.bridge(0x00e0, 'root');
  const upstream = drawing.bridge(0x0100, 'upstream', { above: root });
  const left = drawing.bridge(0x0200, 'downstream', { above: upstream });
  const right = drawing.bridge(0x0208, 'downstream', { above: upstream });
  drawing.device(0x0010);
  drawing.device(0x0300, { above: left });
  drawing.device(0x0400, { above: right });
  drawing.device(0x0401, { above: right });
  return drawing.devices;
}

function served(type: number, path: readonly Hop[], startBus = 0) {
  const scope: DeviceScope = { type, enumerationId: 0, startBus, path: path as DeviceScope['path'] };
  const memory = new PhysicalMemory([[0, 2 * MIB]]);
  for (const [at, bytes] of tableOf({ ...UNIT, includePciAll: false, scope: [scope] })) {
    memory.write(at, Uint8Array.from(bytes));
  }
  const log = new KernelLog({ now: 0 } as never);
  const firmware = {
    memory: [],
    reserved: [[RSDP, 0x2_0000]] as const,
    rsdp: RSDP,
    mmio: [0, 0] as const,
    pciBuses: [0],
  };
  const [unit] = dmarUnits({ memory: memory as never, firmware, log }, tree())!;
  const rids = unit!.groups.flat().map(({ address }) => address);
  return { rids: rids.join(' '), log: log.toString() };
}

describe('A device scope', () => {
  it('leads through bridges to a function, by the numbers that the buses have.', () => {
    const path: Hop[] = [
      [0x1c, 0],
      [0, 0],
      [0, 0],
      [0, 0],
    ];
    expect(served(ENDPOINT, path)).toEqual({ rids: '0300', log: '' });
    expect(served(ENDPOINT, [...path.slice(0, 2), [1, 0], [0, 1]])).toEqual({ rids: '0401', log: '' });
    expect(served(ENDPOINT, path.slice(2), 2).rids, 'from another bus on').toBe('0300');
    expect(served(ENDPOINT, [[2, 0]]).rids).toBe('0010');
  });

  it('of a hierarchy names everything below the bridge at its end.', () => {
    expect(served(SUB_HIERARCHY, [[0x1c, 0]]).rids).toBe('0300 0400 0401');
    const right: Hop[] = [
      [0x1c, 0],
      [0, 0],
      [1, 0],
    ];
    expect(served(SUB_HIERARCHY, right)).toEqual({ rids: '0400 0401', log: '' });
  });

  it('that leads through what is no bridge names nothing.', () => {
    const nothing = { rids: '', log: expect.stringContaining('leads through a bridge that is not there') as string };
    expect(served(SUB_HIERARCHY, [[2, 0]])).toEqual(nothing);
    const paths: Hop[][] = [
      [
        [2, 0],
        [0, 0],
      ],
      [
        [0x1d, 0],
        [0, 0],
      ],
      [
        [0x3c, 0],
        [0, 0],
      ],
      [
        [0x1c, 8],
        [0, 0],
      ],
    ];
    for (const path of paths) expect(served(ENDPOINT, path)).toEqual(nothing);
  });
});

describe.each(['intel-fabric', 'amd-fabric'])('On %s reserved memory', (preset) => {
  it('reaches the device that firmware names behind a switch, and keeps it from processes.', () => {
    const machine = buildMachine({
      preset,
      firmware: { reservedMemory: [{ start: '0x4000000', pages: 2, devices: ['dma3'] }] },
    });
    machine.engine.runUntilDone(machine.engine.spawn(machine.boot(), 'boot'));
    expect(machine.kernel.log.toString()).toMatch(/0000:06:00\.0 keeps 8192 bytes of reserved memory/);
    expect(machine.requesters.get('dma3')).toBe(0x0600);
  });
});
