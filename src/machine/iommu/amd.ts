/** An AMD-Vi unit from a specification, or one sentence about feature registers that no unit here can have. */
import {
  AmdViInspector,
  AmdViUnit,
  type CountersSpec,
  entryLayout,
  type Features,
  IOMMU_CAPABILITY_AT,
  offsetOfCounter,
  placeInBlock,
} from '../../../hardware/amdvi/index.ts';
import {
  BASE_ADDRESS_HIGH,
  BASE_ADDRESS_LOW,
  CAPABILITY_HEADER,
  CONTROL,
  COUNTER_REGISTERS,
  IOMMU_CAPABILITY_ID,
  IOMMU_CAPABILITY_TYPE,
  REGISTERS,
} from '../../../hardware/amdvi/spec/index.ts';
import {
  ALIAS_ENTRY,
  DEVICE_ENTRY,
  type DeviceEntry,
  fieldsOf,
  IVHD_11,
  IVMD,
  IVRS,
  IVRS_SIGNATURE,
  type IvrsBlock,
  type IvrsTable,
} from '../../../hardware/amdvi/spec/ivrs.ts';
import { encode, hex, highHalf, lowHalf } from '../../../hardware/bits/index.ts';
import { CONFIG_BYTES, requesterId } from '../../../hardware/pcie/index.ts';
import { AMD_COUNTERS } from '../counters/index.ts';
import { buildIvrs } from '../firmware/ivrs.ts';
import { InputError } from '../input-error.ts';
import {
  type AliasRange,
  type Iommu,
  nameWords,
  type SharedMemory,
  type Surroundings,
  type Topology,
} from './iommu.ts';
import type { AmdSpec } from './schema.ts';

/** Where the unit's function is, as in most machines: 00:00.2. */
const REQUESTER = requesterId(0, 0, 2);
/** The first device behind the root complex's own. */
const FIRST_SERVED = requesterId(0, 1, 0);
const SEGMENT = 0;
/** EFR.GLXSup: three levels of GCR3 tables. */
const MOST_GLX = 2;

export function amdIommu(spec: AmdSpec, surroundings: Surroundings): Iommu {
  const unit = build(spec, surroundings);
  const { features, registers, translator, pci } = unit;
  const { iotlb, hosts, guests } = translator;
  return {
    unit,
    iotlb,
    registerBytes: features.registerBytes,
    functions: new Map([[REQUESTER, pci]]),
    counters: AMD_COUNTERS,
    registerNames: registerNames(spec.counters),
    layout: (what, words) => entryLayout(what, words, CONTROL.XTEn.isSet(registers.words)),
    inspector: () => new AmdViInspector(unit, surroundings.memory),
    state: () => {
      const config = Uint32Array.from({ length: CONFIG_BYTES / 4 }, (_, word) => pci.readConfig(word * 4, 4));
      const caches = [iotlb, hosts.directory.cache, guests.directory.cache];
      return [registers.words, config, ...caches.flatMap((cache) => (cache === null ? [] : [cache.words]))];
    },
    describe: (base, topology) => {
      pci.writeConfig(placeInBlock(BASE_ADDRESS_HIGH), 4, highHalf(base));
      const low = encode(BASE_ADDRESS_LOW, { Enable: 1 })[0]!;
      pci.writeConfig(placeInBlock(BASE_ADDRESS_LOW), 4, lowHalf(base) | low);
      return { signature: IVRS_SIGNATURE, bytes: buildIvrs(ivrsTable(spec, features, base, topology)) };
    },
  };
}

function build(spec: AmdSpec, surroundings: Surroundings): AmdViUnit {
  const { efr, efr2, capHeader, miscInfo0, miscInfo1, hostAddressWidth, counters } = spec;
  const { iotlb, deviceTableCache, gcr3Cache, hostDirectoryCache, guestDirectoryCache, interruptEntryCache } = spec;
  const caches = {
    iotlb,
    deviceTableCache,
    gcr3Cache,
    hostDirectoryCache,
    guestDirectoryCache,
    interruptEntryCache,
  };
  const features = {
    efr: BigInt(efr),
    efr2: BigInt(efr2),
    capHeader: Number(capHeader),
    miscInfo0: Number(miscInfo0),
    miscInfo1: Number(miscInfo1),
  };
  const unit = new AmdViUnit({ features, hostAddressWidth, counters, ...caches }, surroundings);
  check(unit.features);
  return unit;
}

function check(features: Features): void {
  if (features.value('CapID') !== IOMMU_CAPABILITY_ID || features.value('CapType') !== IOMMU_CAPABILITY_TYPE) {
    const header = encode(CAPABILITY_HEADER, { CapID: IOMMU_CAPABILITY_ID, CapType: IOMMU_CAPABILITY_TYPE })[0]!;
    throw new InputError(
      `machine.iommu.capHeader: CapID and CapType are not an IOMMU's: its bits 18:16 and 7:0 must be those of ${hex(header)}.`,
    );
  }
  if (features.hostLevels === 0 && !features.has('GTSup')) {
    throw new InputError(
      'machine.iommu.efr: a unit without host tables (HATS is 3) must have guest tables: GTSup must be 1.',
    );
  }
  if (features.value('GLXSup') > MOST_GLX) {
    throw new InputError('machine.iommu.efr: GLXSup names no number of levels that exists: it must be 0, 1 or 2.');
  }
}

function registerNames({ banks, counters }: CountersSpec): Map<number, string> {
  const names = new Map<number, string>();
  for (const register of Object.values(REGISTERS).flat()) nameWords(names, register);
  for (let bank = 0; bank < banks; bank++) {
    for (let counter = 0; counter < counters; counter++) {
      const at = offsetOfCounter(bank, counter);
      for (const [of, offset] of COUNTER_REGISTERS) nameWords(names, of, at + offset, `[${bank}.${counter}]`);
    }
  }
  return names;
}

/** One unit for all devices, and the memory that some must go on reaching. */
function ivrsTable(spec: AmdSpec, features: Features, base: number, topology: Topology): IvrsTable {
  const { efr, efr2 } = features.registers;
  const MsiNum = features.value('MsiNum');
  const MsiNumPPR = features.value('MsiNumPPR');
  const unit: IvrsBlock = {
    type: 'IVHD_11',
    fields: fieldsOf(IVHD_11, {
      IotlbSup: features.value('IotlbSup'),
      Coherent: 1,
      DeviceID: REQUESTER,
      CapabilityOffset: IOMMU_CAPABILITY_AT,
      Base: BigInt(base),
      Segment: SEGMENT,
      MsiNum,
      MsiNumPPR,
      ...(features.has('PCSup') ? { PNCounters: spec.counters.counters, PNBanks: spec.counters.banks } : {}),
      EFR: efr,
      EFR2: efr2,
    }),
    entries: [
      rangeEntry('START', FIRST_SERVED),
      rangeEntry('END', requesterId(topology.lastBus, 31, 7)),
      ...topology.aliases.flatMap(aliasEntries),
    ],
  };
  const info = fieldsOf(IVRS, {
    EFRSup: features.value('EFRSup'),
    GVASize: features.value('GVAsize'),
    PASize: features.hostAddressWidth,
    VASize: features.value('VAsize'),
    HtAtsResv: features.value('HtAtsResv'),
  });
  return { info, blocks: [unit, ...topology.shared.flatMap(memoryBlocks)] };
}

function rangeEntry(type: 'START' | 'END', DeviceID: number): DeviceEntry {
  return { type, fields: fieldsOf(DEVICE_ENTRY, { DeviceID }) };
}

function aliasEntries({ first, last, alias }: AliasRange): DeviceEntry[] {
  const fields = fieldsOf(ALIAS_ENTRY, { DeviceID: first, SourceDeviceID: alias });
  return [{ type: 'ALIAS_START', fields }, rangeEntry('END', last)];
}

function memoryBlocks({ range: [start, length], devices }: SharedMemory): IvrsBlock[] {
  return devices.map((DeviceID) => {
    const memory = { Start: BigInt(start), Size: BigInt(length), Segment: SEGMENT };
    return { type: 'IVMD_SELECT', fields: fieldsOf(IVMD, { Unity: 1, IR: 1, IW: 1, DeviceID, ...memory }) };
  });
}
