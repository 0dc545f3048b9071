/**
 * The machine's firmware: it describes the machine to the kernel, in a memory map and in ACPI tables that stand in
 * simulated memory where any kernel can find them (root pointer, XSDT, DMAR).
 */
import { RSDP_SEARCH } from '../../../hardware/acpi/spec.ts';
import { PAGE_SIZE } from '../../../hardware/bits/index.ts';
import type { Range } from '../../../hardware/memory/index.ts';
import { type DmarStructure, type DmarTable, ScopeType } from '../../../hardware/vtd/spec/dmar.ts';
import type { Firmware } from '../../kernel/index.ts';
import { type Hardware, MMIO_WINDOW } from '../hardware.ts';
import { InputError, quote } from '../input-error.ts';
import type { MachineSpec } from '../schema.ts';
import { buildDmar } from './dmar.ts';
import { buildRsdp, buildXsdt } from './table.ts';

/** The first MiB stays with firmware. */
const FIRMWARE_BYTES = 2 ** 20;
/** Its tables are there. */
const TABLES: Range = [RSDP_SEARCH.start, RSDP_SEARCH.end - RSDP_SEARCH.start];
const RSDP_AT = RSDP_SEARCH.start;
const XSDT_AT = RSDP_AT + 0x100;
const DMAR_AT = RSDP_AT + 0x1000;

/** A range of memory that firmware shares with devices. */
interface Shared {
  readonly range: Range;
  /** Requester ids. */
  readonly devices: readonly number[];
}

/** Writes the tables and tells the kernel what real firmware would tell it. Throws an InputError. */
export function installFirmware(spec: MachineSpec, hardware: Hardware): Firmware {
  const shared = sharedMemory(spec, hardware);
  const dmar = buildDmar(describe(hardware, shared));
  if (dmar.length > RSDP_SEARCH.end - DMAR_AT) {
    throw new InputError('machine.firmware.reservedMemory: expected a list whose DMAR table fits into 124 KiB.');
  }
  const write = (at: number, bytes: readonly number[]) => hardware.memory.write(at, Uint8Array.from(bytes));
  write(DMAR_AT, dmar);
  write(XSDT_AT, buildXsdt([DMAR_AT]));
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

/** One unit for everything, and the memory that devices must go on reaching. */
function describe({ unit, window: [base, bytes] }: Hardware, shared: readonly Shared[]): DmarTable {
  const { capabilities } = unit;
  const segment = 0;
  // DRHD.SIZE counts in powers of two of 4 KiB.
  const size = 31 - Math.clz32(bytes / PAGE_SIZE);
  const drhd = { type: 'DRHD', includePciAll: true, size, segment, base: BigInt(base), scope: [] } as const;
  const ranges = shared.map(({ range: [start, length], devices }): DmarStructure => {
    const scope = devices.map(endpoint);
    return { type: 'RMRR', segment, base: BigInt(start), limit: BigInt(start + length - 1), scope };
  });
  const atsr = { type: 'ATSR', allPorts: true, segment, scope: [] } as const;
  return {
    hostAddressWidth: capabilities.hostAddressWidth,
    interruptRemapping: capabilities.has('IR'),
    x2apicOptOut: false,
    dmaControlOptIn: false,
    structures: [drhd, ...ranges, ...(capabilities.has('DT') ? [atsr] : [])],
  };
}

function endpoint(rid: number) {
  const path = [[(rid >>> 3) & 31, rid & 7]] as const;
  return { type: ScopeType.ENDPOINT, enumerationId: 0, startBus: rid >>> 8, path };
}

function sharedMemory({ firmware }: MachineSpec, { ram, devices }: Hardware): Shared[] {
  return firmware.reservedMemory.map(({ start, pages, devices: names }, i) => {
    const where = `machine.firmware.reservedMemory.${i}`;
    const first = Number(start);
    const end = first + pages * PAGE_SIZE;
    const isRam = ram.some(([from, length]) => first >= from && end <= from + length);
    if (first < FIRMWARE_BYTES || first % PAGE_SIZE !== 0 || !isRam) {
      throw new InputError(`${where}: expected whole pages of RAM above the first MiB, got ${pages} at ${start}.`);
    }
    const requesters = names.map((name) => {
      const device = devices.get(name);
      if (device === undefined) throw new InputError(`${where}.devices: there is no device ${quote(name)}.`);
      return device.spec.requester;
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
