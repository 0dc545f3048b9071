/**
 * The register page of one unit: which registers its capabilities give it, at which places, with which power-on values
 * (VT-d 11.4). A register of an absent feature does not exist: it reads 0 and takes no write. Where they do not fit into
 * 4 KiB the "page" is as large as DRHD.SIZE can say: 4 KiB times a power of two (VT-d 8.3).
 */
import { type AnyLayout, highOf, lowOf, type Placement, RegisterFile } from '../bits/index.ts';
import type { Capabilities } from './capabilities.ts';
import { PERFORMANCE, PerformanceRegisters, type PerformanceSpec } from './performance-registers.ts';
import type { Capability } from './spec/capability.ts';
import {
  CAP,
  ECAP,
  FEUADDR,
  FRCD,
  IEUADDR,
  IOTLB_REG,
  IRTA,
  IRTA_RESERVED_WITHOUT,
  IVA,
  PERFINTRUADDR,
  PEUADDR,
  POWER_ON,
  REGISTERS,
  type RegisterGroup,
  RTADDR,
  RTADDR_RESERVED_WITHOUT,
  VER,
} from './spec/index.ts';

const PAGE = 4096;

/** Fields that are reserved, and so keep 0, while a capability is 0. Upper message addresses serve 32-bit APIC ids only. */
const CONDITIONAL: readonly (readonly [AnyLayout, Readonly<Partial<Record<Capability, readonly string[]>>>])[] = [
  [RTADDR, RTADDR_RESERVED_WITHOUT],
  [IRTA, IRTA_RESERVED_WITHOUT],
  [FEUADDR, { EIM: ['MUA'] }],
  [IEUADDR, { EIM: ['MUA'] }],
  [PEUADDR, { EIM: ['MUA'] }],
  [PERFINTRUADDR, { EIM: ['MUA'] }],
];

/** Every register that a unit with these capabilities has, and where. */
export function registersOf(capabilities: Capabilities, performance = PERFORMANCE): Placement[] {
  return [...usual(capabilities), ...(performanceRegisters(capabilities, performance)?.placements ?? [])];
}

/** The registers of performance monitoring, behind all others; `null` without them. */
export function performanceRegisters(
  capabilities: Capabilities,
  spec: PerformanceSpec = PERFORMANCE,
): PerformanceRegisters | null {
  return capabilities.has('PMS') ? new PerformanceRegisters(spec, capabilities, endOf(usual(capabilities))) : null;
}

function bytesFor(end: number): number {
  let bytes = PAGE;
  while (bytes < end) bytes *= 2;
  return bytes;
}

function endOf(placed: readonly Placement[]): number {
  return Math.max(...placed.map(({ layout, offset }) => offset + layout.$.words * 4));
}

function usual(capabilities: Capabilities): Placement[] {
  const fixed: readonly AnyLayout[] = presentGroups(capabilities).flatMap((group) => [...REGISTERS[group]]);
  const placed: Placement[] = [
    ...fixed.map((layout) => ({ layout, offset: layout.$.offset! })),
    { layout: IVA, offset: capabilities.iotlbRegisterOffset },
    { layout: IOTLB_REG, offset: capabilities.iotlbRegisterOffset + 8 },
  ];
  for (let n = 0; n < capabilities.faultRecords; n++) {
    placed.push({ layout: FRCD, offset: capabilities.faultRecordOffset + n * 16 });
  }
  return placed;
}

export function makeRegisterPage(capabilities: Capabilities, performance = PERFORMANCE): RegisterFile {
  const groups = presentGroups(capabilities);
  const placed = registersOf(capabilities, performance);
  const file = new RegisterFile(bytesFor(endOf(placed)), placed);
  for (const group of groups) {
    for (const { register, values } of POWER_ON[group] ?? []) file.initial(register, values);
  }
  for (const [register, reservedWithout] of CONDITIONAL) {
    for (const [capability, fields] of Object.entries(reservedWithout)) {
      if (!capabilities.has(capability as Capability)) file.withhold(register, fields);
    }
  }
  const { ver, cap, ecap } = capabilities.registers;
  file.initialWords(VER.$.offset!, [lowOf(ver)]);
  file.initialWords(CAP.$.offset!, [lowOf(cap), highOf(cap)]);
  file.initialWords(ECAP.$.offset!, [lowOf(ecap), highOf(ecap)]);
  return file;
}

function presentGroups(capabilities: Capabilities): RegisterGroup[] {
  const isPresent = (group: RegisterGroup): boolean => {
    if (group === 'ALWAYS') return true;
    if (group === 'PLMR_OR_PHMR') return capabilities.has('PLMR') || capabilities.has('PHMR');
    return capabilities.has(group);
  };
  return (Object.keys(REGISTERS) as RegisterGroup[]).filter(isPresent);
}
