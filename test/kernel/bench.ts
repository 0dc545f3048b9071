/** A bench with a VT-d unit. */
import { encode, joinHalves, type Values } from '../../hardware/bits/index.ts';
import type { PhysicalMemory } from '../../hardware/memory/index.ts';
import type { Script } from '../../hardware/sim/index.ts';
import { type VtdSpec, VtdUnit } from '../../hardware/vtd/index.ts';
import type { DmarTable } from '../../hardware/vtd/spec/dmar.ts';
import { CAP, ECAP, VER } from '../../hardware/vtd/spec/index.ts';
import { buildDmar } from '../../src/machine/firmware/dmar.ts';
import { chainTo, MachineBench, type MachineOptions, PAGE, type RaiseMsi, type Setup, setUp } from './machine-bench.ts';

export * from './machine-bench.ts';
export { UNIT_TABLE as DMAR } from './machine-bench.ts';
export const UNIT_BASE = 0xfed9_0000;

/** A unit with everything that legacy mode offers and room for faults. */
const FULL_CAP: Values<typeof CAP> = {
  ND: 6,
  SAGAW: 0b00110,
  MGAW: 47,
  ZLR: 1,
  FRO: 0x22,
  SSLPS: 0b11,
  PSI: 1,
  NFR: 3,
  MAMV: 18,
  DWD: 1,
  DRD: 1,
};
const FULL_ECAP: Values<typeof ECAP> = { C: 1, QI: 1, SC: 1, IRO: 0xf0 / 16 };

const SCALABLE_CACHES = {
  pasidCache: { sets: 4, ways: 4 },
  firstStageCache: { sets: 4, ways: 4 },
  secondStageCache: { sets: 4, ways: 4 },
};

export const ONE_UNIT: DmarTable = {
  hostAddressWidth: 46,
  interruptRemapping: false,
  x2apicOptOut: false,
  dmaControlOptIn: false,
  structures: [{ type: 'DRHD', includePciAll: true, size: 0, segment: 0, base: BigInt(UNIT_BASE), scope: [] }],
};

export interface BenchOptions extends MachineOptions {
  readonly cap?: Values<typeof CAP>;
  readonly ecap?: Values<typeof ECAP>;
  readonly version?: number;
  /** Caches of other sizes, or none. */
  readonly caches?: Partial<VtdSpec>;
}

const quad = (words: Uint32Array): bigint => joinHalves(words[1]!, words[0]!);

function unitWith(
  { cap, ecap, version = 4, caches }: BenchOptions,
  surroundings: { readonly memory: PhysicalMemory; readonly raiseMsi: RaiseMsi },
): VtdUnit {
  const capabilities = {
    ver: BigInt(encode(VER, { MAX: version })[0]!),
    cap: quad(encode(CAP, { ...FULL_CAP, ...cap })),
    ecap: quad(encode(ECAP, { ...FULL_ECAP, ...ecap })),
  };
  return new VtdUnit(
    {
      capabilities,
      hostAddressWidth: 46,
      faultCompression: false,
      iotlb: { sets: 16, ways: 4 },
      contextCache: { sets: 4, ways: 4 },
      ...(ecap?.SMTS === 1 && SCALABLE_CACHES),
      ...caches,
    },
    surroundings,
  );
}

export class Bench extends MachineBench<VtdUnit> {
  constructor(options: BenchOptions = {}) {
    super((memory, raiseMsi) => {
      const unit = unitWith(options, { memory, raiseMsi });
      return { unit, base: UNIT_BASE, bytes: PAGE, tables: chainTo(buildDmar(ONE_UNIT)) };
    }, options);
  }

  /** A machine whose kernel is up. */
  static up(options?: BenchOptions): Bench {
    return new Bench(options).boot();
  }
}

/** Runs a body on a machine with one program, one device attached, 16 pages of memory. */
export function withSetup(body: (s: Setup, bench: MachineBench) => Script, options?: BenchOptions): void {
  const bench = Bench.up(options);
  bench.run(
    (function* () {
      yield* body(yield* setUp(bench), bench);
    })(),
  );
}
