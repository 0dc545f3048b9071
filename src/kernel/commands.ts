/** ioctls as a table from number to handler: one row per command, and what every command has in common. */
import { ns, type Script } from '../../hardware/sim/index.ts';
import { type Command, EINVAL, ENOTTY, type Members, type ObjectOf, type Struct } from '../uapi/index.ts';
import { copying } from './costs.ts';
import type { Process } from './process.ts';
import { copyStructFromUser, copyStructToUser } from './user-copy.ts';

/** One command under way. */
export interface Call<Context, Argument> {
  readonly context: Context;
  readonly process: Process;
  readonly argument: Argument;
  /** Writes the structure back to the process, and what follows it: 0 or -EFAULT. */
  readonly reply: (value: Argument, behind?: Uint8Array) => number;
}

interface Row<Context> {
  readonly command: Command;
  readonly run: (context: Context, process: Process, argument: bigint) => Script<number>;
}

const noReply = (): number => -EINVAL;

/** A command without a structure: its argument is a number, or nothing. */
export function plain<Context>(
  command: Command<'none' | 'value'>,
  run: (call: Call<Context, bigint>) => Script<number>,
): Row<Context> {
  return {
    command,
    run: (context, process, argument) => run({ context, process, argument, reply: noReply }),
  };
}

/** A command with a structure, whose flags outside `flags` are refused. */
export function structured<Context, M extends Members>(
  command: Command<Struct<M>>,
  flags: number,
  run: (call: Call<Context, ObjectOf<M>>) => Script<number>,
): Row<Context> {
  const struct = command.argument;
  return {
    command,
    *run(context, process, address) {
      const { space, cost } = process;
      const bytes = copyStructFromUser(space, struct, address);
      yield ns(copying(cost, struct.bytes));
      if (typeof bytes === 'number') return bytes;
      const value = struct.decode(bytes);
      const given = (value as unknown as { readonly flags: number }).flags;
      if ((given & ~flags) !== 0) return -EINVAL;
      const reply = (answer: ObjectOf<M>, more?: Uint8Array): number =>
        copyStructToUser(space, struct, address, answer, more);
      return yield* run({ context, process, argument: value, reply });
    },
  };
}

export class CommandTable<Context> {
  readonly #rows: ReadonlyMap<number, Row<Context>>;

  constructor(rows: readonly Row<Context>[]) {
    this.#rows = new Map(rows.map((row) => [row.command.number, row]));
  }

  command(request: number): Command | undefined {
    return this.#rows.get(request)?.command;
  }

  /** Runs a command, or gives -ENOTTY for a number that is not in the table. */
  *run(context: Context, process: Process, request: number, argument: bigint): Script<number> {
    const row = this.#rows.get(request);
    return row === undefined ? -ENOTTY : yield* row.run(context, process, argument);
  }
}
