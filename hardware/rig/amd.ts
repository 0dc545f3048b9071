/** An AMD-Vi unit in a rig. */
import { AmdViInspector, type AmdViSpec, AmdViUnit } from '../amdvi/index.ts';
import type { AmdFault } from '../amdvi/spec/index.ts';
import type { AmdCapabilities, CommonOptions } from './types.ts';
import type { MakeUnit } from './unit-rig.ts';

/** Sizes of the caches in a rig. Not architectural. */
const CACHES = {
  iotlb: { sets: 32, ways: 8 },
  deviceTableCache: { sets: 16, ways: 4 },
  gcr3Cache: { sets: 16, ways: 4 },
  interruptEntryCache: { sets: 16, ways: 4 },
} as const;

export type AmdCaches = Omit<AmdViSpec, 'features' | 'hostAddressWidth' | 'counters' | 'pci'>;

export function amdUnit(
  options: CommonOptions,
  capabilities: AmdCapabilities,
  caches: AmdCaches = CACHES,
): MakeUnit<AmdFault> {
  return (memory, raiseMsi) => {
    const { efr, efr2, capHeader, miscInfo0, miscInfo1 } = capabilities;
    const unit = new AmdViUnit(
      {
        features: {
          efr,
          ...(efr2 === undefined ? {} : { efr2 }),
          ...(capHeader === undefined ? {} : { capHeader: Number(capHeader) }),
          ...(miscInfo0 === undefined ? {} : { miscInfo0: Number(miscInfo0) }),
          ...(miscInfo1 === undefined ? {} : { miscInfo1: Number(miscInfo1) }),
        },
        hostAddressWidth: options.hostAddressWidth ?? 52,
        ...caches,
      },
      { memory, raiseMsi },
    );
    return {
      unit,
      inspector: () => new AmdViInspector(unit, memory),
      config: unit.pci,
    };
  };
}
