/** What programs have in common that use everything that allocates: memory with marks and tables in it, and a look at what is reached. */
import type { Script } from '../../hardware/sim/index.ts';
import { DmaEngineDriver, type Program } from '../../src/user/index.ts';
import { byteAt } from './dma-bench.ts';
import type { Trial } from './fault-points-bench.ts';
import { PAGE } from './machine-bench.ts';

export const K4 = BigInt(PAGE);
/** Where the parent space has the program's memory; the tables that the program keeps are its last pages. */
export const GPA = 0x1_0000n;
export const PAGES = 12;
export const TABLE = 8;
/** The last pages that a table of 512 entries maps, and the first of the next. */
export const ASTRIDE = 0x7fe0_0000n - K4;
export const UNMAPPED = 0x1234_5000n;
/** Present, writable, user. */
const OPEN = 7n;

/** A call that takes no time. */
export function atOnce<T>(call: () => T): () => Script<T> {
  // biome-ignore lint/correctness/useYield: there is nothing to wait for
  return function* () {
    return call();
  };
}

/** Memory of a program, each page with its number in it, and a table of four levels that leads page 0 to page 1. */
export function* memory(trial: Trial, program: Program): Script<bigint> {
  const at = yield* trial.call('mmap', () => program.mmap(PAGES * PAGE, { populate: true }));
  for (let page = 0; page < TABLE; page++) program.write(at + BigInt(page) * K4, Uint8Array.of(0x40 + page));
  for (const [table, next] of [
    [TABLE, TABLE + 1],
    [TABLE + 1, TABLE + 2],
    [TABLE + 2, TABLE + 3],
    [TABLE + 3, 1],
  ] as const) {
    const entry = new Uint8Array(8);
    new DataView(entry.buffer).setBigUint64(0, (GPA + BigInt(next) * K4) | OPEN, true);
    program.write(at + BigInt(table) * K4, entry);
  }
  return at;
}

/** A driver in the program, which looks from now on at what its device reaches. */
export function* watched(
  trial: Trial,
  program: Program,
  fd: number,
  ...iovas: readonly bigint[]
): Script<DmaEngineDriver> {
  const engine = yield* DmaEngineDriver.open(program, fd);
  if (typeof engine === 'number') throw new Error(`no driver: ${engine}`);
  for (const iova of [...iovas, UNMAPPED]) trial.watch(() => byteAt(engine, iova));
  return engine;
}
