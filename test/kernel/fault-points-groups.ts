/** Programs with a group of two devices, with tracked writes, and with a device that is software. */
import type { Script } from '../../hardware/sim/index.ts';
import { ENOMEM } from '../../src/uapi/index.ts';
import type { DmaEngineDriver, DmaResult } from '../../src/user/index.ts';
import type { Trial } from './fault-points-bench.ts';
import { ASTRIDE, GPA, UNMAPPED, watched } from './fault-points-parts.ts';
import { Session, type Version } from './fault-points-session.ts';
import { DEV, PAGE } from './machine-bench.ts';
import { SOFT_DEV } from './software-bench.ts';

const K4 = BigInt(PAGE);
const GIOVA = 0x2000n;

/** Two devices of one group: into a space one after the other, into one that is nested on it, and back. */
export function* grouped(trial: Trial, version: Version, paths: readonly string[]): Script {
  const s = yield* new Session(trial, version).begin(...paths);
  for (const device of s.devices) yield* watched(trial, s.program, device, GPA, GIOVA, ASTRIDE);
  const root = yield* s.alloc();
  yield* s.attach(0, root);
  // In version 1 nothing can be done with a space while only a part of a group is in it.
  yield* s.attach(1, root);
  yield* s.map(root);
  const child = yield* s.alloc(root);
  yield* s.attach(0, child);
  yield* s.attach(1, child);
  yield* s.map(child, GIOVA, GPA + K4, K4);
  yield* s.map(root, ASTRIDE, s.at, 2n * K4);
  yield* s.map(child, ASTRIDE, ASTRIDE, 2n * K4);
  yield* s.unmap(root, ASTRIDE, 2n * K4);
  yield* s.detach(0, child);
  yield* s.detach(1, child);
  yield* s.detach(0, root);
  yield* s.attach(0, root);
  yield* s.detach(1, root);
  yield* s.detach(0, root);
}

/** A device whose writes are tracked, through its space and through one that is nested on it. */
export function* tracked(trial: Trial, version: Version): Script {
  const s = yield* new Session(trial, version).begin(DEV[0]);
  const root = yield* s.allocTracked();
  yield* s.attach(0, root);
  yield* s.map(root);
  const engine = yield* watched(trial, s.program, s.devices[0]!, GPA, ASTRIDE);
  yield* s.track(root);
  trial.watch(() => s.dirty(root));
  yield* writes(engine, GPA + K4);
  // What is known of writes outlives refusals, and what splits or joins tables.
  yield* s.map(root, ASTRIDE, s.at, 2n * K4);
  yield* s.written(root);
  yield* writes(engine, GPA + 2n * K4);
  const child = yield* s.allocTracked(root);
  yield* s.attach(0, child);
  yield* s.map(child, GIOVA, GPA + 3n * K4, K4);
  yield* s.map(child, ASTRIDE, ASTRIDE, 2n * K4);
  yield* writes(engine, GIOVA);
  // Hardware is told to forget it: only the parent's log knows then.
  yield* s.track(child);
  yield* s.written(root);
  yield* writes(engine, GIOVA);
  yield* s.track(child);
  yield* s.unmap(root, ASTRIDE, 2n * K4);
  yield* s.detach(0, child);
  yield* s.track(root);
  yield* s.track(root, false);
}

/** A device that is software beside one in hardware, in the same space: both are watched. */
export function* software(trial: Trial, version: Version): Script {
  const s = yield* new Session(trial, version).begin(SOFT_DEV, DEV[0]);
  const [soft, hard] = s.devices as [number, number];
  const root = yield* s.alloc();
  yield* s.attach(0, root);
  yield* s.map(root);
  const engine = yield* watched(trial, s.program, soft, GPA, GPA + K4, GIOVA);
  yield* transfers(trial, engine, GPA);
  yield* s.attach(1, root);
  yield* watched(trial, s.program, hard, GPA, ASTRIDE);
  yield* s.map(root, ASTRIDE, s.at, 2n * K4);
  const child = yield* s.alloc(root);
  yield* s.attach(0, child);
  yield* s.map(child, GIOVA, GPA + K4, K4);
  yield* transfers(trial, engine, GIOVA);
  // The unit gets a table of what software has had alone.
  yield* s.attach(1, child);
  yield* s.detach(0, child);
  yield* s.map(child, ASTRIDE, ASTRIDE, 2n * K4);
  yield* s.unmap(root, ASTRIDE, 2n * K4);
  yield* s.detach(0, root);
}

/** Writes and reads back what stands there anyway, across a page: where the kernel has nothing left, the device says that it was aborted. */
function* transfers(trial: Trial, engine: DmaEngineDriver, at: bigint): Script {
  const before = yield* engine.read(at, PAGE);
  if (!before.ok) throw new Error(`nothing to read: ${before.error}`);
  const outcome = function* (transfer: Script<DmaResult>): Script<number> {
    const result = yield* transfer;
    if (result.ok) return 0;
    if (result.error !== 'COMPLETER_ABORT') throw new Error(`a transfer ends with ${result.error}`);
    return -ENOMEM;
  };
  yield* trial.call('a read in software', () => outcome(engine.read(at + 8n, 16)));
  yield* trial.call('a write in software', () => outcome(engine.write(at, before.data)));
}

function* writes(engine: DmaEngineDriver, at: bigint): Script {
  for (const [iova, may] of [
    [at, true],
    [UNMAPPED, false],
  ] as const) {
    const before = yield* engine.read(iova, 1);
    if (before.ok !== may) throw new Error(`${iova} can be read: ${before.ok}`);
    if (before.ok) yield* engine.write(iova, before.data);
    // The read behind comes back when the write has arrived.
    yield* engine.read(iova, 1);
  }
}
