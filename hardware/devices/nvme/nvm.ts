/** Commands of the NVM command set, on the only namespace. NVM Express Base 1.4, 6. */
import { wordsOf } from '../../bits/index.ts';
import { ns, type Script } from '../../sim/index.ts';
import type { Controller } from './controller.ts';
import { type Answer, failed } from './features.ts';
import { isNamespace } from './identify.ts';
import type { Command } from './queues.ts';
import { DATASET_MANAGEMENT, DSM_RANGE, DSM_RANGE_BYTES, NvmOpcode, READ_WRITE, SQE, Status } from './spec/index.ts';
import { fromHost, toHost } from './transfer.ts';

/** A command whose blocks exist. */
interface Work {
  readonly controller: Controller;
  readonly command: Command;
  readonly block: number;
  readonly count: number;
}

type Execute = (work: Work) => Script<number>;

const COMMANDS: Readonly<Record<number, Execute>> = {
  [NvmOpcode.FLUSH]: flush,
  [NvmOpcode.WRITE]: write,
  [NvmOpcode.READ]: read,
  [NvmOpcode.WRITE_ZEROES]: writeZeroes,
  [NvmOpcode.DATASET_MANAGEMENT]: datasetManagement,
};

const WITH_BLOCKS: ReadonlySet<number> = new Set([NvmOpcode.WRITE, NvmOpcode.READ, NvmOpcode.WRITE_ZEROES]);
const WITH_DATA: ReadonlySet<number> = new Set([NvmOpcode.WRITE, NvmOpcode.READ]);

export function* executeNvm(controller: Controller, command: Command): Script<Answer> {
  const { words } = command;
  const { disk, limits } = controller.place;
  const opcode = SQE.OPC.get(words);
  const execute = COMMANDS[opcode];
  if (execute === undefined) return failed(Status.INVALID_COMMAND_OPCODE);
  if (SQE.FUSE.isSet(words) || SQE.PSDT.isSet(words)) return failed(Status.INVALID_FIELD_IN_COMMAND);
  if (!isNamespace(SQE.NSID.get(words), opcode === NvmOpcode.FLUSH)) return failed(Status.INVALID_NAMESPACE_OR_FORMAT);
  const hasBlocks = WITH_BLOCKS.has(opcode);
  const block = hasBlocks ? READ_WRITE.SLBA.get(words) : 0;
  const count = hasBlocks ? READ_WRITE.NLB.get(words) + 1 : 0;
  if (WITH_DATA.has(opcode) && count * disk.spec.blockBytes > controller.mostBytes) {
    return failed(Status.INVALID_FIELD_IN_COMMAND);
  }
  if (!disk.holds(block, count)) return failed(Status.LBA_OUT_OF_RANGE);
  yield ns(limits.access);
  if (command.isAborted) return failed(Status.COMMAND_ABORT_REQUESTED);
  if (!controller.wants(command.queue)) return failed(Status.INTERNAL_ERROR);
  return { status: yield* execute({ controller, command, block, count }) };
}

// biome-ignore lint/correctness/useYield: nothing is left to be written: each write is on the disk when it completes.
function* flush(): Script<number> {
  return Status.SUCCESSFUL_COMPLETION;
}

function* read({ controller, command, block, count }: Work): Script<number> {
  const { disk, logs } = controller.place;
  const data = disk.read(block, count);
  logs.moved('read', data.length);
  return yield* toHost(controller, command.words, data);
}

/** The disk changes when all of the data has come. */
function* write({ controller, command, block, count }: Work): Script<number> {
  const { disk, logs } = controller.place;
  const data = yield* fromHost(controller, command.words, count * disk.spec.blockBytes);
  if (typeof data === 'number') return data;
  if (!controller.wants(command.queue)) return Status.INTERNAL_ERROR;
  disk.write(block, data);
  logs.moved('written', data.length);
  return Status.SUCCESSFUL_COMPLETION;
}

// biome-ignore lint/correctness/useYield: a RAM disk needs no time for it.
function* writeZeroes({ controller, block, count }: Work): Script<number> {
  controller.place.disk.zero(block, count);
  return Status.SUCCESSFUL_COMPLETION;
}

/** Only Deallocate does something; the other attributes are hints. */
function* datasetManagement({ controller, command }: Work): Script<number> {
  const { words } = command;
  const { disk } = controller.place;
  const count = DATASET_MANAGEMENT.NR.get(words) + 1;
  const data = yield* fromHost(controller, words, count * DSM_RANGE_BYTES);
  if (typeof data === 'number') return data;
  const list = wordsOf(data);
  const ranges = Array.from({ length: count }, (_, n) => {
    const at = (n * DSM_RANGE_BYTES) / 4;
    return { block: DSM_RANGE.SLBA.get(list, at), blocks: DSM_RANGE.NLB.get(list, at) };
  });
  if (ranges.some(({ block, blocks }) => !disk.holds(block, blocks))) return Status.LBA_OUT_OF_RANGE;
  if (!controller.wants(command.queue)) return Status.INTERNAL_ERROR;
  if (DATASET_MANAGEMENT.AD.isSet(words)) for (const { block, blocks } of ranges) disk.zero(block, blocks);
  return Status.SUCCESSFUL_COMPLETION;
}
