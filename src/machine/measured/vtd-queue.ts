/**
 * The invalidation queue of a VT-d unit: a status for each place; between two looks at it the driver reads the fault register and
 * lets others have the lock of the queue.
 */
import { type AnyLayout, encode, joinHalves, PAGE_SIZE } from '../../../hardware/bits/index.ts';
import { vtdSecondStage, x86Paging } from '../../../hardware/formats/index.ts';
import { NO_PASID } from '../../../hardware/iommu/index.ts';
import type { PhysicalMemory } from '../../../hardware/memory/index.ts';
import { ns, type Script } from '../../../hardware/sim/index.ts';
import type { VtdUnit } from '../../../hardware/vtd/index.ts';
import {
  AddressWidth,
  IQA,
  IQT,
  PasidTranslationType,
  PECTL,
  PQA,
  PQH,
  PQT,
  PRS,
  ResponseCode,
} from '../../../hardware/vtd/spec/index.ts';
import type { PageBlock } from '../../kernel/iommu/routed-translation.ts';
import { describe, describeWait } from '../../kernel/vtd/descriptors.ts';
import type { Command } from '../../kernel/vtd/invalidation.ts';
import { intelCapabilities } from '../capabilities.ts';
import type { VtdMachine } from './invalidating-machines.ts';
import { used, WrittenTables } from './tables.ts';
import {
  DID,
  END,
  MAPPED,
  type QueueSurroundings,
  REQUESTER,
  REQUESTS,
  RING,
  STATUS,
  type Submitter,
  TABLES,
  type UnitQueue,
} from './unit-queue.ts';
import { command, legacyRoot, ScalableRoot, startUnit, unitOf } from './units.ts';

/** Bytes from the status of one slot to the next. */
const STATUS_BYTES = 8;
/** Bytes; IQT counts them too. */
const [NARROW, WIDE] = [16, 32];
const RULES = { drain: { DR: 1, DW: 1 }, throttles: false } as const;

export class VtdQueue implements UnitQueue<Command> {
  readonly unit: VtdUnit;
  readonly slots = 256;
  readonly slotBytes: number;
  readonly tellsEach = false;
  readonly #machine: VtdMachine;
  readonly #memory: PhysicalMemory;

  constructor(machine: VtdMachine, { memory, raise }: QueueSurroundings) {
    const { scalable } = machine;
    this.#machine = machine;
    this.#memory = memory;
    this.slotBytes = scalable ? WIDE : NARROW;
    const spec = {
      ...unitOf(intelCapabilities[machine.unit]),
      iotlb: { sets: 1, ways: 128 },
      contextCache: { sets: 16, ways: 4 },
    };
    this.unit = startUnit(spec, memory, rootOf(scalable, new WrittenTables(memory, TABLES)), raise);
    this.#write(IQA, encode(IQA, { IQA: RING / PAGE_SIZE, QS: scalable ? 1 : 0, DW: scalable ? 1 : 0 }));
    command(this.unit, { TE: 1, QIE: 1 });
  }

  forget(what: PageBlock | 'domain'): Command {
    if (what === 'domain') return { cache: 'iotlb', scope: 'domain', did: DID };
    const pages = { scope: 'page', did: DID, ...what, leafOnly: true } as const;
    return this.#machine.scalable ? { cache: 'pasid iotlb', pasid: 0, ...pages } : { cache: 'iotlb', ...pages };
  }

  forgetOnDevice(what: PageBlock): Command {
    return { cache: 'device-tlb', sid: REQUESTER, pasid: 0, ...what };
  }

  answer(): Command {
    return { cache: 'page response', rid: REQUESTER, pasid: NO_PASID, group: 0, code: ResponseCode.SUCCESS };
  }

  describe(what: Command): Uint32Array {
    return describe(what, RULES);
  }

  describeWait(slot: number, sequence: number): Uint32Array {
    return describeWait(statusOf(slot), sequence);
  }

  isDone(slot: number, sequence: number): boolean {
    return Number(this.#memory.read64(statusOf(slot)) & 0xffff_ffffn) === sequence;
  }

  tell(tail: number): void {
    this.unit.write(IQT.$.offset!, 8, BigInt(tail * this.slotBytes));
  }

  *await(core: Submitter, isThere: () => boolean): Script {
    const { register, cache } = this.#machine;
    yield ns(register.value * core.part());
    while (!isThere()) {
      yield ns(register.value);
      core.unlock();
      yield* core.lock();
      core.enter('invalidation');
    }
    yield ns(cache.value);
    core.unlock();
  }

  takePageRequests(): void {
    this.#write(PQA, encode(PQA, { PQA: REQUESTS / PAGE_SIZE }));
    this.#write(PECTL, encode(PECTL, { IM: 0 }));
  }

  *readPageRequests(): Script {
    this.#write(PRS, encode(PRS, { PPR: 1 }));
    const tail = this.unit.read(PQT.$.offset!, 8);
    yield ns(this.#machine.register.value);
    this.unit.write(PQH.$.offset!, 8, tail);
  }

  #write(at: AnyLayout, words: Uint32Array): void {
    this.unit.write(at.$.offset!, words.length * 4, joinHalves(words[1] ?? 0, words[0]!));
  }
}

function statusOf(slot: number): number {
  return STATUS + slot * STATUS_BYTES;
}

function rootOf(scalable: boolean, tables: WrittenTables) {
  const format = scalable
    ? used(x86Paging({ levels: 4, superpages: [] }))
    : vtdSecondStage({ levels: 4, superpages: [] });
  if (!scalable) {
    const root = legacyRoot(tables, REQUESTER, { AW: AddressWidth.BITS_48, DID });
    tables.map(format, root.top, 0, END, MAPPED);
    return root;
  }
  const top = tables.table();
  tables.map(format, top, 0, END, MAPPED);
  return new ScalableRoot(tables).add(REQUESTER, {
    PGTT: PasidTranslationType.FIRST_STAGE,
    FSPTPTR: top / PAGE_SIZE,
    DID,
  });
}
