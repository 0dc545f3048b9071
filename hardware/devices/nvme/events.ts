/**
 * Asynchronous events: requests wait here until there is something to tell. An event of a type that was told is told again only
 * after software has read its log page.
 */
import { encode } from '../../bits/index.ts';
import type { Command } from './queues.ts';
import { AdminOpcode, ASYNCHRONOUS_EVENT, LogPage, SQE, Status } from './spec/index.ts';

/** Requests that may wait, 0's based. */
export const REQUEST_LIMIT = 3;

const ERROR_TYPE = 0;

export class Events {
  readonly #complete: (command: Command, status: number, result: number) => void;
  readonly #requests: Command[] = [];
  /** An error that nobody has asked for yet. */
  #waiting: number | null = null;
  #isMasked = false;

  constructor(complete: (command: Command, status: number, result: number) => void) {
    this.#complete = complete;
  }

  get requests(): number {
    return this.#requests.length;
  }

  /** Holds a request until something happens; false when too many wait. */
  request(command: Command): boolean {
    if (this.#requests.length > REQUEST_LIMIT) return false;
    this.#requests.push(command);
    this.#tell();
    return true;
  }

  /** Completes the request with this command identifier as aborted, if it waits. */
  abort(cid: number): boolean {
    const at = this.#requests.findIndex(({ words }) => SQE.CID.get(words) === cid);
    if (at < 0) return false;
    const [command] = this.#requests.splice(at, 1);
    this.#complete(command!, Status.COMMAND_ABORT_REQUESTED, 0);
    return true;
  }

  /** One of `ErrorEvent` has happened. Only the first is kept until it is told. */
  error(information: number): void {
    if (this.#isMasked) return;
    this.#waiting ??= information;
    this.#tell();
  }

  /** Software has read the log page of errors. */
  errorsRead(): void {
    this.#isMasked = false;
  }

  #tell(): void {
    if (this.#waiting === null) return;
    const command = this.#requests.shift();
    if (command === undefined) return;
    const values = { TYPE: ERROR_TYPE, INFORMATION: this.#waiting, LOG_PAGE: LogPage.ERROR_INFORMATION };
    this.#waiting = null;
    this.#isMasked = true;
    this.#complete(command, Status.SUCCESSFUL_COMPLETION, encode(ASYNCHRONOUS_EVENT, values)[0]!);
  }
}

/** True for the command that may wait for ever, and takes no place among those that are worked on. */
export function isEventRequest({ queue, words }: Command): boolean {
  return queue.spec.id === 0 && SQE.OPC.get(words) === AdminOpcode.ASYNCHRONOUS_EVENT_REQUEST;
}
