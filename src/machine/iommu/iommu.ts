/** An IOMMU of either vendor as the machine around it knows it. */
import type { AnyLayout, Words } from '../../../hardware/bits/index.ts';
import type { IommuInspector, IommuUnit, Iotlb } from '../../../hardware/iommu/index.ts';
import type { PhysicalMemory, Range } from '../../../hardware/memory/index.ts';
import type { IntegratedFunction } from '../../../hardware/pcie/index.ts';
import type { CounterTable } from '../counters/index.ts';

/** What a unit is built into. */
export interface Surroundings {
  readonly memory: PhysicalMemory;
  readonly raiseMsi: (hi: number, lo: number, data: number) => void;
}

/** Memory that firmware shares with devices. */
export interface SharedMemory {
  readonly range: Range;
  /** Requester ids. */
  readonly devices: readonly number[];
}

/** Ids that requests carry in place of their devices' own: those of devices `first` to `last`, both included. */
export interface AliasRange {
  readonly first: number;
  readonly last: number;
  readonly alias: number;
}

/** The way from the root bus to a function: device and function number of each bridge, and its own. */
export type DevicePath = readonly (readonly [device: number, fn: number])[];

/** What firmware knows of the machine around the unit. */
export interface Topology {
  readonly shared: readonly SharedMemory[];
  readonly lastBus: number;
  readonly aliases: readonly AliasRange[];
  pathTo(requester: number): DevicePath;
}

/** An ACPI table. */
export interface FirmwareTable {
  readonly signature: string;
  readonly bytes: readonly number[];
}

export interface Iommu {
  readonly unit: IommuUnit;
  readonly iotlb: Iotlb | null;
  /** Bytes of its register page, a power of two. */
  readonly registerBytes: number;
  /** What software sees of it in configuration space, by requester id. */
  readonly functions: ReadonlyMap<number, IntegratedFunction>;
  /** Names of its registers by offset. */
  readonly registerNames: ReadonlyMap<number, string>;
  /** The performance counters that real ones have. */
  readonly counters: CounterTable;
  /** The layout of a table entry or descriptor of that name and value, if it has one. */
  layout(what: string, words: Words): AnyLayout | undefined;
  inspector(): IommuInspector;
  /** Everything that it holds beside what an inspector shows: registers, caches with the age of each entry. */
  state(): readonly (Int32Array | Uint32Array)[];
  /** Firmware's part: leads the registers to `base` and describes the unit, and memory that devices must go on reaching. */
  describe(base: number, topology: Topology): FirmwareTable;
}

/** Gives each word of a register its name: the upper half of a 64-bit register says so. */
export function nameWords(names: Map<number, string>, { $ }: AnyLayout, offset = $.offset!, suffix = ''): void {
  for (let word = 0; word < $.words; word++) {
    const part = word === 0 ? '' : $.words === 2 ? ' (upper half)' : ` (word ${word})`;
    names.set(offset + word * 4, `${$.name}${suffix}${part}`);
  }
}
