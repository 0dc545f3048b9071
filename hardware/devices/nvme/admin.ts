/** Admin commands: queues come and go, and the controller tells of itself. NVM Express Base 1.4, 5. */
import type { Script } from '../../sim/index.ts';
import type { Controller } from './controller.ts';
import { type Answer, failed } from './features.ts';
import { identify } from './identify.ts';
import { prpAt } from './prp.ts';
import type { Command } from './queues.ts';
import {
  ABORT,
  AdminOpcode,
  CREATE_COMPLETION_QUEUE,
  CREATE_QUEUE,
  CREATE_SUBMISSION_QUEUE,
  DELETE_QUEUE,
  GET_LOG_PAGE,
  LogPage,
  SQE,
  Status,
} from './spec/index.ts';
import { toHost } from './transfer.ts';

type Execute = (controller: Controller, words: Uint32Array) => Script<Answer> | Answer;

const DONE: Answer = { status: Status.SUCCESSFUL_COMPLETION };
const NOT_ABORTED = 1;

const COMMANDS: Readonly<Record<number, Execute>> = {
  [AdminOpcode.DELETE_IO_SUBMISSION_QUEUE]: deleteSubmissions,
  [AdminOpcode.CREATE_IO_SUBMISSION_QUEUE]: createSubmissions,
  [AdminOpcode.GET_LOG_PAGE]: getLogPage,
  [AdminOpcode.DELETE_IO_COMPLETION_QUEUE]: deleteCompletions,
  [AdminOpcode.CREATE_IO_COMPLETION_QUEUE]: createCompletions,
  [AdminOpcode.IDENTIFY]: identifyTo,
  [AdminOpcode.ABORT]: abort,
  [AdminOpcode.SET_FEATURES]: ({ features, submissions, completions }, words) =>
    features.set(words, submissions.size > 1 || completions.size > 1),
  [AdminOpcode.GET_FEATURES]: ({ features }, words) => features.get(words),
  // One that could be held does not come here.
  [AdminOpcode.ASYNCHRONOUS_EVENT_REQUEST]: () => failed(Status.ASYNCHRONOUS_EVENT_REQUEST_LIMIT_EXCEEDED),
};

export function* executeAdmin(controller: Controller, { words }: Command): Script<Answer> {
  const execute = COMMANDS[SQE.OPC.get(words)];
  if (execute === undefined) return failed(Status.INVALID_COMMAND_OPCODE);
  if (SQE.FUSE.isSet(words) || SQE.PSDT.isSet(words)) return failed(Status.INVALID_FIELD_IN_COMMAND);
  const answer = execute(controller, words);
  return 'status' in answer ? answer : yield* answer;
}

function createCompletions(controller: Controller, words: Uint32Array): Answer {
  const { limits } = controller.place;
  const status = checkQueue(controller, words, controller.completions);
  if (status !== Status.SUCCESSFUL_COMPLETION) return failed(status);
  const vector = CREATE_COMPLETION_QUEUE.IV.get(words);
  if (vector > limits.queues) return failed(Status.INVALID_INTERRUPT_VECTOR);
  controller.addCompletions(queueOf(words), CREATE_COMPLETION_QUEUE.IEN.isSet(words) ? vector : null);
  return DONE;
}

function createSubmissions(controller: Controller, words: Uint32Array): Answer {
  const status = checkQueue(controller, words, controller.submissions);
  if (status !== Status.SUCCESSFUL_COMPLETION) return failed(status);
  const completions = CREATE_SUBMISSION_QUEUE.CQID.get(words);
  if (!isQueue(controller, completions)) return failed(Status.INVALID_QUEUE_IDENTIFIER);
  const queue = controller.completions.get(completions);
  if (queue === undefined) return failed(Status.COMPLETION_QUEUE_INVALID);
  controller.addSubmissions(queueOf(words), queue);
  return DONE;
}

function* deleteSubmissions(controller: Controller, words: Uint32Array): Script<Answer> {
  const id = DELETE_QUEUE.QID.get(words);
  const queue = isQueue(controller, id) ? controller.submissions.get(id) : undefined;
  if (queue === undefined || !queue.isAlive) return failed(Status.INVALID_QUEUE_IDENTIFIER);
  yield* controller.removeSubmissions(queue);
  return DONE;
}

function deleteCompletions(controller: Controller, words: Uint32Array): Answer {
  const id = DELETE_QUEUE.QID.get(words);
  const queue = isQueue(controller, id) ? controller.completions.get(id) : undefined;
  if (queue === undefined) return failed(Status.INVALID_QUEUE_IDENTIFIER);
  if (queue.users > 0) return failed(Status.INVALID_QUEUE_DELETION);
  controller.completions.delete(id);
  return DONE;
}

function* identifyTo(controller: Controller, words: Uint32Array): Script<Answer> {
  const { disk, limits, name } = controller.place;
  const data = identify({ disk, name, mdts: limits.mdts }, words);
  return { status: typeof data === 'number' ? data : yield* toHost(controller, words, data) };
}

function* getLogPage(controller: Controller, words: Uint32Array): Script<Answer> {
  const { logs } = controller.place;
  const id = GET_LOG_PAGE.LID.get(words);
  const page = logs.page(id);
  if (page === undefined) return failed(Status.INVALID_LOG_PAGE);
  const length = (GET_LOG_PAGE.NUMDU.get(words) * 0x1_0000 + GET_LOG_PAGE.NUMDL.get(words) + 1) * 4;
  const offset = GET_LOG_PAGE.LPOU.get(words) * 2 ** 32 + GET_LOG_PAGE.LPOL.get(words);
  if (length > controller.mostBytes || offset > page.length || offset % 4 !== 0) {
    return failed(Status.INVALID_FIELD_IN_COMMAND);
  }
  // What lies behind the end of the page is not defined; here it is 0.
  const data = new Uint8Array(length);
  data.set(page.subarray(offset, offset + length));
  const status = yield* toHost(controller, words, data);
  if (id === LogPage.ERROR_INFORMATION && !GET_LOG_PAGE.RAE.isSet(words)) controller.events.errorsRead();
  return { status };
}

/** A command that has not touched memory yet ends as aborted; others go on. */
function abort(controller: Controller, words: Uint32Array): Answer {
  const id = ABORT.SQID.get(words);
  const cid = ABORT.CID.get(words);
  if (id === 0 && controller.events.abort(cid)) return DONE;
  const command = id === 0 ? undefined : controller.submissions.get(id)?.find(cid);
  if (command === undefined || command.isAborted) return { ...DONE, result: NOT_ABORTED };
  command.isAborted = true;
  return DONE;
}

/** What both kinds of queues have to fulfil. */
function checkQueue(controller: Controller, words: Uint32Array, taken: ReadonlyMap<number, unknown>): number {
  const { limits } = controller.place;
  const id = CREATE_QUEUE.QID.get(words);
  const last = CREATE_QUEUE.QSIZE.get(words);
  if (!isQueue(controller, id) || taken.has(id)) return Status.INVALID_QUEUE_IDENTIFIER;
  if (last === 0 || last >= limits.entries || !controller.place.hasEntrySizes()) return Status.INVALID_QUEUE_SIZE;
  if (!CREATE_QUEUE.PC.isSet(words)) return Status.INVALID_FIELD_IN_COMMAND;
  if ((words[SQE.PRP1.word]! & (controller.page - 1)) !== 0) return Status.PRP_OFFSET_INVALID;
  return Status.SUCCESSFUL_COMPLETION;
}

function isQueue({ place }: Controller, id: number): boolean {
  return id >= 1 && id <= place.limits.queues;
}

function queueOf(words: Uint32Array) {
  return {
    id: CREATE_QUEUE.QID.get(words),
    base: prpAt(words, SQE.PRP1.word),
    size: CREATE_QUEUE.QSIZE.get(words) + 1,
  };
}
