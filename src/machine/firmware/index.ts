/**
 * The machine's firmware: it describes the machine to the kernel, in a memory map and in ACPI tables that stand in
 * simulated memory where any kernel can find them (root pointer, XSDT, DMAR or IVRS).
 */
import { RSDP_SEARCH } from '../../../hardware/acpi/spec.ts';
import { PAGE_SIZE } from '../../../hardware/bits/index.ts';
import type { Range } from '../../../hardware/memory/index.ts';
import type { Firmware } from '../../kernel/index.ts';
import { type Hardware, MMIO_WINDOW } from '../hardware.ts';
import { InputError, quote } from '../input-error.ts';
import type { SharedMemory } from '../iommu/index.ts';
import type { MachineSpec } from '../schema.ts';
import { buildRsdp, buildXsdt } from './table.ts';

/** The first MiB stays with firmware. */
const FIRMWARE_BYTES = 2 ** 20;
/** Its tables are there. */
const TABLES: Range = [RSDP_SEARCH.start, RSDP_SEARCH.end - RSDP_SEARCH.start];
const RSDP_AT = RSDP_SEARCH.start;
const XSDT_AT = RSDP_AT + 0x100;
const TABLE_AT = RSDP_AT + 0x1000;

/** Writes the tables and tells the kernel what real firmware would tell it. Throws an InputError. */
export function installFirmware(spec: MachineSpec, hardware: Hardware): Firmware {
  const shared = sharedMemory(spec, hardware);
  const { iommu, window, plan } = hardware;
  const { signature, bytes } = iommu.describe(window[0], { shared, ...plan });
  if (bytes.length > RSDP_SEARCH.end - TABLE_AT) {
    throw new InputError(
      `machine.firmware.reservedMemory: expected a list whose ${signature} table fits into 124 KiB.`,
    );
  }
  const write = (at: number, bytes: readonly number[]) => hardware.memory.write(at, Uint8Array.from(bytes));
  write(TABLE_AT, bytes);
  write(XSDT_AT, buildXsdt([TABLE_AT]));
  write(RSDP_AT, buildRsdp(XSDT_AT));
  const kept = shared.map(({ range }) => range);
  return {
    memory: [[0, FIRMWARE_BYTES] as Range, ...kept].reduce<Range[]>(without, [...hardware.ram]),
    reserved: [TABLES, ...kept],
    rsdp: RSDP_AT,
    mmio: MMIO_WINDOW,
    pciBuses: [0],
  };
}

function sharedMemory({ firmware }: MachineSpec, { ram, requesters: ids }: Hardware): SharedMemory[] {
  return firmware.reservedMemory.map(({ start, pages, devices: names }, i) => {
    const where = `machine.firmware.reservedMemory.${i}`;
    const first = Number(start);
    const end = first + pages * PAGE_SIZE;
    const isRam = ram.some(([from, length]) => first >= from && end <= from + length);
    if (first < FIRMWARE_BYTES || first % PAGE_SIZE !== 0 || !isRam) {
      throw new InputError(`${where}: expected whole pages of RAM above the first MiB, got ${pages} at ${start}.`);
    }
    const requesters = names.map((name) => {
      const requester = ids.get(name);
      if (requester === undefined) throw new InputError(`${where}.devices: there is no device ${quote(name)}.`);
      return requester;
    });
    return { range: [first, end - first], devices: requesters };
  });
}

/** What is left of `ranges`. */
function without(ranges: readonly Range[], [start, length]: Range): Range[] {
  return ranges.flatMap(([from, size]): Range[] => {
    const parts: Range[] = [
      [from, Math.min(size, start - from)],
      [Math.max(from, start + length), Math.min(size, from + size - start - length)],
    ];
    return parts.filter(([, left]) => left > 0);
  });
}
