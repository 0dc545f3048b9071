/**
 * TLPs as parts of traced tasks. A request that its sender has not made a part of one is a task by itself; a posted one ends
 * where its credits are given back, and another when its sender has the answer.
 */
import type { Engine, Milestone } from '../sim/index.ts';
import { CreditClass, isLastCompletion, type Tlp, TlpKind } from './tlp.ts';
import type { Transfer } from './transfer.ts';

/** An end of a link, as far as tasks are concerned. */
export interface TracedEnd {
  readonly link: { readonly name: string; readonly engine: Engine };
  readonly owner: string;
  readonly isDevice: boolean;
}

/** The next request of a transfer, a task from when it is its turn until its answer; a posted one, until it takes effect. */
export function tracedRequest(engine: Engine, transfer: Transfer, who: string): void {
  if (engine.tasks === null) return;
  transfer.task = engine.takeId();
  engine.tasks.begin({ id: transfer.task, parent: transfer.cause, kind: nameOf(transfer), who, at: engine.now });
}

/** The request has its answer, or will have none. */
export function tracedAnswer({ tasks, now }: Engine, task: number, waited: Milestone, who: string): void {
  if (task === 0 || tasks === null) return;
  tasks.milestone(task, waited, now, who);
  tasks.end(task, now);
}

/** A TLP is sent into a link. */
export function tracedDeparture({ link: { name, engine }, owner, isDevice }: TracedEnd, tlp: Tlp): void {
  const tasks = engine.tasks!;
  if (tlp.task === 0) {
    tlp.task = engine.takeId();
    const parent = engine.running?.cause ?? 0;
    tasks.begin({ id: tlp.task, parent, kind: kindOf(tlp, isDevice), who: owner, at: engine.now });
  }
  const isAnswer = tlp.creditClass === CreditClass.COMPLETION;
  tasks.milestone(tlp.task, !isDevice ? 'route' : isAnswer ? 'device' : 'credit', engine.now, `link ${name}`);
}

/** It has come to the other end. */
export function tracedArrival({ link: { engine }, owner }: TracedEnd, { task }: Tlp, milestone: Milestone): void {
  engine.tasks?.milestone(task, milestone, engine.now, owner);
}

/** It has come to its own end, and with it the task of what is not answered; at a device, that of the request that it is the last answer to. */
export function tracedEnd({ link: { engine }, owner, isDevice }: TracedEnd, tlp: Tlp, waited: Milestone): void {
  const { creditClass, task } = tlp;
  if (creditClass === CreditClass.NON_POSTED) return;
  if (creditClass === CreditClass.COMPLETION && !(isDevice && isLastCompletion(tlp))) return;
  tracedAnswer(engine, task, creditClass === CreditClass.COMPLETION ? 'landing' : waited, owner);
}

function nameOf({ kind, isTranslation }: Transfer): string {
  if (isTranslation) return 'translation request';
  if (kind === TlpKind.MEMORY_READ) return 'DMA read';
  return kind === TlpKind.MEMORY_WRITE ? 'DMA write' : 'DMA atomic';
}

function kindOf(tlp: Tlp, isDevice: boolean): string {
  if (tlp.isMessage) return 'message';
  if (tlp.kind === TlpKind.MEMORY_WRITE) return isDevice ? 'interrupt' : 'register write';
  return 'request';
}
