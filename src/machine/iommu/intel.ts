/** A VT-d unit from a specification, or one sentence about capability registers that no unit here can have. */
import { PAGE_SIZE } from '../../../hardware/bits/index.ts';
import { Capabilities, entryLayout, VtdInspector, VtdUnit } from '../../../hardware/vtd/index.ts';
import {
  type DeviceScope,
  DMAR_SIGNATURE,
  type DmarStructure,
  type DmarTable,
  ScopeType,
} from '../../../hardware/vtd/spec/dmar.ts';
import { FRCD, IOTLB_REG, IVA, REGISTERS } from '../../../hardware/vtd/spec/index.ts';
import { INTEL_COUNTERS } from '../counters/index.ts';
import { buildDmar } from '../firmware/dmar.ts';
import { InputError } from '../input-error.ts';
import { type DevicePath, type Iommu, nameWords, type Surroundings, type Topology } from './iommu.ts';
import type { IntelSpec } from './schema.ts';

export function intelIommu(spec: IntelSpec, surroundings: Surroundings): Iommu {
  const unit = build(spec, surroundings);
  const { capabilities, registers, translator } = unit;
  const { byteLength } = registers.words;
  return {
    unit,
    iotlb: translator.iotlb,
    registerBytes: byteLength,
    functions: new Map(),
    counters: INTEL_COUNTERS,
    registerNames: registerNames(capabilities),
    layout: entryLayout,
    inspector: () => new VtdInspector(unit, surroundings.memory),
    state: () => {
      const { iotlb, firstStage, secondStage, hostPermissions } = translator;
      const caches = [iotlb, firstStage.structures, secondStage.structures, hostPermissions.cache];
      return [registers.words, ...caches.flatMap((cache) => (cache === null ? [] : [cache.words]))];
    },
    describe: (base, topology) => ({
      signature: DMAR_SIGNATURE,
      bytes: buildDmar(dmarTable(capabilities, [base, byteLength], topology)),
    }),
  };
}

function build(spec: IntelSpec, surroundings: Surroundings): VtdUnit {
  const { ver, cap, ecap, hostAddressWidth, faultCompression, protectedRegionN, performance } = spec;
  const { iotlb, contextCache, pasidCache, firstStageCache, secondStageCache } = spec;
  const { hostPermissionCache, interruptEntryCache } = spec;
  const paging = { iotlb, contextCache, pasidCache, firstStageCache, secondStageCache };
  const caches = { ...paging, hostPermissionCache, interruptEntryCache };
  const registers = { ver: BigInt(ver), cap: BigInt(cap), ecap: BigInt(ecap) };
  check(new Capabilities(registers, hostAddressWidth));
  try {
    return new VtdUnit(
      { capabilities: registers, hostAddressWidth, faultCompression, protectedRegionN, performance, ...caches },
      surroundings,
    );
  } catch (error) {
    // The register file refuses to hold two registers in one place; only CAP.FRO and ECAP.IRO can ask for that.
    if (!(error instanceof RangeError)) throw error;
    throw new InputError(`machine.iommu: cap (FRO) and ecap (IRO) place registers over others: ${error.message}.`);
  }
}

function check(capabilities: Capabilities): void {
  if (capabilities.widest < 0) {
    throw new InputError(
      'machine.iommu.cap: SAGAW names no number of levels that exists: one of its bits 1 to 3 must be 1.',
    );
  }
}

function registerNames({ iotlbRegisterOffset, faultRecordOffset, faultRecords }: Capabilities): Map<number, string> {
  const names = new Map<number, string>();
  for (const register of Object.values(REGISTERS).flat()) nameWords(names, register);
  nameWords(names, IVA, iotlbRegisterOffset);
  nameWords(names, IOTLB_REG, iotlbRegisterOffset + 8);
  for (let i = 0; i < faultRecords; i++) nameWords(names, FRCD, faultRecordOffset + i * 16, `[${i}]`);
  return names;
}

/** One unit for everything, and the memory that devices must go on reaching. */
function dmarTable(
  capabilities: Capabilities,
  [base, bytes]: readonly [number, number],
  { shared, pathTo }: Topology,
): DmarTable {
  const segment = 0;
  // DRHD.SIZE counts in powers of two of 4 KiB.
  const size = 31 - Math.clz32(bytes / PAGE_SIZE);
  const drhd = { type: 'DRHD', includePciAll: true, size, segment, base: BigInt(base), scope: [] } as const;
  const ranges = shared.map(({ range: [start, length], devices }): DmarStructure => {
    const scope = devices.map((device) => endpoint(pathTo(device)));
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

function endpoint(path: DevicePath): DeviceScope {
  return { type: ScopeType.ENDPOINT, enumerationId: 0, startBus: 0, path };
}
