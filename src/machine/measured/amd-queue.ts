/**
 * The command buffer of an AMD-Vi unit: one number in memory that rises with every wait. The driver writes the tail register for
 * each command, gives the lock of the buffer to others, and looks at the number at once and then every microsecond by the clock.
 *
 * Inaccuracies: the driver takes the lock for each command, and so others may come between two of one batch.
 */
import type { AmdViUnit } from '../../../hardware/amdvi/index.ts';
import {
  COMMAND_BUFFER_BASE,
  COMMAND_HEADER,
  COMMAND_TAIL,
  PPR_HEAD,
  PPR_LOG_BASE,
  PPR_TAIL,
  PprResponseCode,
  STATUS as STATUS_REGISTER,
  XT_PPR_INTERRUPT,
} from '../../../hardware/amdvi/spec/index.ts';
import { type AnyLayout, encode, joinHalves, PAGE_SIZE, type Values } from '../../../hardware/bits/index.ts';
import { amdV1 } from '../../../hardware/formats/index.ts';
import { NO_PASID } from '../../../hardware/iommu/index.ts';
import type { PhysicalMemory } from '../../../hardware/memory/index.ts';
import { ns, type Script } from '../../../hardware/sim/index.ts';
import { type Command, describe, describeWait } from '../../kernel/amd/commands.ts';
import { type PageBlock, WHOLE } from '../../kernel/iommu/routed-translation.ts';
import { amdCapabilities } from '../capabilities.ts';
import { amdUnitOf, control, DeviceTable, startAmdUnit } from './amd-units.ts';
import type { AmdMachine } from './invalidating-machines.ts';
import { WrittenTables } from './tables.ts';
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

const FORMAT = amdV1({ levels: 4 });
/** log2 of the entries of the command buffer, as Linux has it, and of the log of page requests. */
const [COMMANDS, LOG] = [9, 8];
/** Any that is not 0: nobody here asks where an interrupt goes. */
const VECTOR = 0x20;
const RUNNING = { CmdBufEn: 1 } as const;

export class AmdQueue implements UnitQueue<Command> {
  readonly unit: AmdViUnit;
  readonly slots = 2 ** COMMANDS;
  readonly slotBytes = COMMAND_HEADER.$.words * 4;
  readonly tellsEach = true;
  readonly #machine: AmdMachine;
  readonly #memory: PhysicalMemory;

  constructor(machine: AmdMachine, { memory, raise }: QueueSurroundings) {
    this.#machine = machine;
    this.#memory = memory;
    const tables = new WrittenTables(memory, TABLES);
    const devices = new DeviceTable(tables, REQUESTER);
    const top = tables.table();
    tables.map(FORMAT, top, 0, END, MAPPED);
    const stage = { Mode: FORMAT.levels, HostPTRoot: top / PAGE_SIZE, DomainID: DID };
    devices.add(REQUESTER, { ...stage, PPR: 1 });
    const spec = {
      ...amdUnitOf(amdCapabilities[machine.unit]),
      iotlb: { sets: 1, ways: 128 },
      deviceTableCache: { sets: 16, ways: 4 },
    };
    this.unit = startAmdUnit(spec, memory, devices, raise);
    this.#write(COMMAND_BUFFER_BASE, { ComBase: RING / PAGE_SIZE, ComLen: COMMANDS });
    control(this.unit, RUNNING);
  }

  forget(what: PageBlock | 'domain'): Command {
    const block = what === 'domain' ? { page: 0, mask: WHOLE } : what;
    // Linux says of every command that directories have changed, too.
    return { kind: 'pages', did: DID, pasid: NO_PASID, block, directories: true };
  }

  forgetOnDevice(block: PageBlock): Command {
    return { kind: 'device tlb', deviceId: REQUESTER, pasid: NO_PASID, block };
  }

  answer(): Command {
    return { kind: 'page response', deviceId: REQUESTER, pasid: NO_PASID, group: 0, code: PprResponseCode.SUCCESS };
  }

  describe(what: Command): Uint32Array {
    return describe(what);
  }

  describeWait(_slot: number, sequence: number): Uint32Array {
    return describeWait(STATUS, sequence);
  }

  isDone(_slot: number, sequence: number): boolean {
    return Number(this.#memory.read64(STATUS)) >= sequence;
  }

  tell(tail: number): void {
    this.#write(COMMAND_TAIL, { CmdTailptr: tail });
  }

  *await(core: Submitter, isThere: () => boolean): Script {
    const { look, cache } = this.#machine;
    core.unlock();
    while (!isThere()) yield ns(look.value);
    yield ns(cache.value);
  }

  takePageRequests(): void {
    this.#write(PPR_LOG_BASE, { PPRLogBase: REQUESTS / PAGE_SIZE, PPRLogLen: LOG });
    this.#write(XT_PPR_INTERRUPT, { Vector: VECTOR });
    control(this.unit, { ...RUNNING, IntCapXTEn: 1, PPREn: 1, EPHEn: 1, PPRLogEn: 1, PPRIntEn: 1 });
  }

  *readPageRequests(): Script {
    const { register } = this.#machine;
    // Status says that there are some, and head and tail where.
    yield ns(register.value);
    this.#write(STATUS_REGISTER, { PprInt: 1 });
    yield ns(2 * register.value);
    this.unit.write(PPR_HEAD.$.offset!, 8, this.unit.read(PPR_TAIL.$.offset!, 8));
  }

  #write<L extends AnyLayout>(of: L, what: Values<L>): void {
    const words = encode(of, what);
    this.unit.write(of.$.offset!, words.length * 4, joinHalves(words[1] ?? 0, words[0]!));
  }
}
