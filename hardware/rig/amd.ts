/** An AMD-Vi unit in a rig. */
import { AmdViInspector, type AmdViSpec, AmdViUnit } from '../amdvi/index.ts';
import type { AmdFault } from '../amdvi/spec/index.ts';
import { joinHalves } from '../bits/index.ts';
import { Access, type Translation } from '../iommu/index.ts';
import type { AmdCapabilities, CommonOptions, TranslationCompletion } from './types.ts';
import type { CompletedRequest, MakeUnit } from './unit-rig.ts';

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
      ignoresNoWrite: false,
      complete: (t, request) => complete(t, request, unit.translator.page),
      config: unit.pci,
    };
  };
}

/** What the translator knows of the page beside `t.leaf`. */
interface Page {
  readonly execute: boolean;
  readonly untranslatedOnly: boolean;
}

/** The completion of a translation request that succeeded (fact sheet 6.2). */
function complete(
  { leaf, hpaHi, hpaLo, snoop }: Translation<AmdFault>,
  { address, pasid, privileged, execute, keepsWrite }: CompletedRequest,
  page: Page,
): TranslationCompletion {
  const size = 1n << BigInt(leaf.shift);
  const hasPasid = pasid !== undefined;
  return {
    address: address & ~(size - 1n),
    translated: joinHalves(hpaHi, hpaLo) & ~(size - 1n),
    size,
    read: (leaf.rights & Access.READ) !== 0,
    write: keepsWrite && (leaf.rights & Access.WRITE) !== 0,
    execute: hasPasid && execute === true && leaf.rights !== 0 && page.execute,
    privileged: hasPasid && privileged === true,
    global: false,
    untranslatedOnly: page.untranslatedOnly,
    nonSnoopedIgnored: snoop,
  };
}
