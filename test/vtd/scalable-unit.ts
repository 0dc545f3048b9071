/** A unit of its own, with caches as the test wants them, under the tables of test/vtd/scalable.ts. */
import { type IommuProbe, NO_PASID, Translation } from '../../hardware/iommu/index.ts';
import { PhysicalMemory } from '../../hardware/memory/index.ts';
import { type VtdSpec, VtdUnit } from '../../hardware/vtd/index.ts';
import type { Fault } from '../../hardware/vtd/spec/index.ts';
import { capabilities } from './capability.ts';
import { FULL, RAM, ScalableBench } from './scalable.ts';
import { type BenchOptions, SID } from './tables.ts';

export type Caches = Pick<VtdSpec, 'iotlb' | 'contextCache' | 'pasidCache' | 'firstStageCache' | 'secondStageCache'>;

export const NO_CACHES: Caches = { iotlb: null, contextCache: null };
export const ALL_CACHES: Caches = {
  iotlb: { sets: 16, ways: 4 },
  contextCache: { sets: 4, ways: 4 },
  pasidCache: { sets: 4, ways: 4 },
  firstStageCache: { sets: 16, ways: 4 },
  secondStageCache: { sets: 16, ways: 4 },
};

export interface Question {
  readonly address: bigint;
  /** Bits of Access. */
  readonly access: number;
  readonly pasid?: number;
  readonly addressType?: number;
  readonly requester?: number;
  readonly effects?: boolean;
}

export class UnitBench extends ScalableBench {
  readonly memory = new PhysicalMemory(RAM.map(([start, length]) => [Number(start), Number(length)] as const));
  readonly unit: VtdUnit;
  readonly translation = new Translation<Fault>();

  constructor({ haw = 48, ...options }: BenchOptions = {}, caches: Caches = NO_CACHES) {
    super({});
    this.unit = new VtdUnit(
      {
        capabilities: capabilities({ ...FULL, ...options }),
        hostAddressWidth: haw,
        faultCompression: false,
        ...caches,
      },
      { memory: this.memory, raiseMsi: () => {} },
    );
  }

  override write64(address: bigint, ...values: readonly bigint[]): this {
    values.forEach((value, i) => {
      this.memory.write64(Number(address) + i * 8, value);
    });
    return this;
  }

  override read64(address: bigint): bigint {
    return this.memory.read64(Number(address));
  }

  override set(offset: number, value: bigint, size = 4): this {
    this.unit.write(offset, size, value);
    return this;
  }

  override get(offset: number, size = 4): bigint {
    return this.unit.read(offset, size);
  }

  /** Puts a question to the unit without answering it. */
  prepare({ address, access, pasid, addressType, requester, effects }: Question): Translation<Fault> {
    const t = this.translation.ask(
      requester ?? SID,
      pasid ?? NO_PASID,
      access,
      Number(BigInt.asIntN(32, address >> 32n)),
      Number(BigInt.asIntN(32, address)),
    );
    t.addressType = addressType ?? 0;
    t.effects = effects ?? true;
    return t;
  }

  answer(question: Question): Translation<Fault> {
    const t = this.prepare(question);
    this.unit.translate(t);
    return t;
  }

  /** Names the entries that a question fetches. */
  count(question: Question): readonly string[] {
    const fetched: string[] = [];
    const nothing = (): void => {};
    const probe: IommuProbe = {
      hit: nothing,
      miss: nothing,
      cache: nothing,
      read: (what) => fetched.push(what),
      translated: nothing,
      fault: nothing,
      invalidated: nothing,
      registerWritten: nothing,
      interrupt: nothing,
    };
    this.unit.probe = probe;
    this.answer(question);
    this.unit.probe = null;
    return fetched;
  }
}

/** The fault's name, or the host address that a request got. */
export function resultOf({ fault, status, hpaHi, hpaLo }: Translation<Fault>): string | bigint {
  if (fault !== null) return fault.name;
  if (status !== 0) return `status ${status}`;
  return (BigInt(hpaHi >>> 0) << 32n) | BigInt(hpaLo >>> 0);
}
