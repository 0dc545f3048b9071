/**
 * A walk is written once and run three ways. It yields each memory access it needs and goes on when the access has been
 * done: at once (`finish`), after simulated time (a script on the engine), or when a student presses a key.
 */
import type { MemoryOperation, PhysicalMemory } from '../memory/index.ts';

/** What hardware does step by step: yields memory operations, returns its result. */
export type Walk<R = void> = Generator<MemoryOperation, R, void>;

/** Runs a walk to its end now. */
export function finish<R>(walk: Walk<R>, memory: PhysicalMemory): R {
  for (;;) {
    const step = walk.next();
    if (step.done === true) return step.value;
    memory.perform(step.value);
  }
}
