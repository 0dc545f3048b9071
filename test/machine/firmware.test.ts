/** What a machine's firmware leaves in memory, and what a machine specification may say about it. */
import { describe, expect, it } from 'vitest';
import { Engine } from '../../hardware/sim/index.ts';
import type { DmarTable } from '../../hardware/vtd/spec/dmar.ts';
import { decodeDmar, type Firmware } from '../../src/kernel/index.ts';
import { installFirmware } from '../../src/machine/firmware/index.ts';
import { buildHardware, type Hardware } from '../../src/machine/hardware.ts';
import { buildMachine, InputError, type MachineInput, resolveSpec } from '../../src/machine/index.ts';

const MIB = 2 ** 20;
const PAGE = 4096;
const SHARED = { start: '0x4000000', pages: 16, devices: ['dma0', 'dma2'] };

function installed(input: MachineInput = {}): { firmware: Firmware; hardware: Hardware } {
  const spec = resolveSpec(input);
  const hardware = buildHardware(new Engine(), spec, () => {});
  return { firmware: installFirmware(spec, hardware), hardware };
}

const text = (bytes: Uint8Array): string => String.fromCharCode(...bytes);
const sum = (bytes: Uint8Array): number => bytes.reduce((total, byte) => total + byte, 0) % 256;

/** A foreign kernel's way to a table: it looks for the root pointer where ACPI says, and follows bare offsets. */
function findTable({ memory }: Hardware, signature: string): Uint8Array | undefined {
  for (let at = 0xe_0000; at < 0x10_0000; at += 16) {
    const root = memory.read(at, 36)!;
    if (text(root.subarray(0, 8)) !== 'RSD PTR ' || sum(root.subarray(0, 20)) !== 0 || sum(root) !== 0) continue;
    const xsdt = tableAt(memory, Number(new DataView(root.buffer, root.byteOffset).getBigUint64(24, true)));
    const view = new DataView(xsdt.buffer, xsdt.byteOffset);
    for (let entry = 36; entry < xsdt.length; entry += 8) {
      const table = tableAt(memory, Number(view.getBigUint64(entry, true)));
      if (text(table.subarray(0, 4)) === signature && sum(table) === 0) return table;
    }
  }
  return undefined;
}

function tableAt(memory: Hardware['memory'], at: number): Uint8Array {
  const length = memory.read(at + 4, 4)!;
  return memory.read(at, new DataView(length.buffer, length.byteOffset).getUint32(0, true))!;
}

describe("A machine's firmware", () => {
  it('leaves a DMAR table where a foreign kernel finds it', () => {
    const { hardware } = installed({ firmware: { reservedMemory: [SHARED] }, iommu: { ecap: '0xf00f4e' } });
    const scope = (device: number) => ({ type: 1, enumerationId: 0, startBus: 0, path: [[device, 0]] });
    expect(decodeDmar(findTable(hardware, 'DMAR')!)).toEqual({
      hostAddressWidth: 48,
      interruptRemapping: true,
      x2apicOptOut: false,
      dmaControlOptIn: false,
      structures: [
        { type: 'DRHD', includePciAll: true, size: 0, segment: 0, base: 0xfed9_0000n, scope: [] },
        { type: 'RMRR', segment: 0, base: 0x400_0000n, limit: 0x400_ffffn, scope: [scope(1), scope(3)] },
        { type: 'ATSR', allPorts: true, segment: 0, scope: [] },
      ],
    });
  });

  it('says what the unit can do and nothing that it cannot', () => {
    const { hardware } = installed({ iommu: { ecap: '0xf00f02', hostAddressWidth: 39 } });
    const table = decodeDmar(findTable(hardware, 'DMAR')!) as DmarTable;
    expect(table).toMatchObject({ hostAddressWidth: 39, interruptRemapping: false });
    expect(table.structures.map(({ type }) => type)).toEqual(['DRHD']);
  });

  it('leaves to the kernel what it does not share with devices', () => {
    const { firmware } = installed({ memory: { megabytes: 8192 }, firmware: { reservedMemory: [SHARED] } });
    const shared = [64 * MIB, 16 * PAGE] as const;
    expect(firmware.reserved).toEqual([[0xe_0000, 0x2_0000], shared]);
    expect(firmware.memory).toEqual([
      [MIB, 63 * MIB],
      [64 * MIB + 16 * PAGE, 0xc000_0000 - 64 * MIB - 16 * PAGE],
      [2 ** 32, 8192 * MIB - 0xc000_0000],
    ]);
  });

  it('may share the beginning and the end of RAM, and ranges that overlap', () => {
    const range = (start: number, pages: number) => ({ start: `0x${start.toString(16)}`, pages, devices: [] });
    const end = 64 * MIB;
    const { firmware } = installed({
      memory: { megabytes: 64 },
      firmware: { reservedMemory: [range(MIB, 4), range(MIB + PAGE, 7), range(end - PAGE, 1)] },
    });
    expect(firmware.memory).toEqual([[MIB + 8 * PAGE, end - PAGE - (MIB + 8 * PAGE)]]);
  });

  it('writes its tables again after a reset and before a reboot', () => {
    const machine = buildMachine({ firmware: { reservedMemory: [SHARED] } });
    const boot = () => machine.engine.runUntilDone(machine.engine.spawn(machine.boot(), 'boot'));
    boot();
    expect(machine.kernel.iommu.groups.map(({ isFirmware }) => isFirmware)).toEqual([true, false, true]);
    expect(machine.kernel.log.toString()).toContain('0000:00:01.0 keeps 65536 bytes of reserved memory');
    machine.reset();
    boot();
    expect(machine.kernel.iommu.groups).toHaveLength(3);
    machine.engine.runUntilDone(machine.engine.spawn(machine.reboot({ invalidate: 'none' }), 'reboot'));
    expect(machine.kernel.iommu.groups).toHaveLength(3);
  });
});

describe('Reserved memory in a machine specification', () => {
  it.each([
    [
      { ...SHARED, start: '0x4000001' },
      'machine.firmware.reservedMemory.0: expected whole pages of RAM above the first MiB, got 16 at 0x4000001.',
    ],
    [
      { ...SHARED, start: '0x1000' },
      'machine.firmware.reservedMemory.0: expected whole pages of RAM above the first MiB, got 16 at 0x1000.',
    ],
    [
      { ...SHARED, start: '0xffffffffffffffff' },
      'machine.firmware.reservedMemory.0: expected whole pages of RAM above the first MiB, got 16 at 0xffffffffffffffff.',
    ],
    [{ ...SHARED, devices: ['dma7'] }, 'machine.firmware.reservedMemory.0.devices: there is no device "dma7".'],
    [
      { ...SHARED, pages: 0 },
      'machine.firmware.reservedMemory.0.pages: expected a whole number from 1 to 1048576, got 0.',
    ],
  ])('%j is refused in one sentence', (range, sentence) => {
    expect(() => buildMachine({ firmware: { reservedMemory: [range] } })).toThrow(new InputError(sentence));
  });

  it('may be left out of a machine file', () => {
    const { firmware, ...older } = resolveSpec();
    expect(firmware).toEqual({ reservedMemory: [] });
    expect(resolveSpec(older).firmware).toEqual(firmware);
  });
});
