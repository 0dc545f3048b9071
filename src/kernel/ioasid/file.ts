/** An open `/dev/ioasid` or `/dev/iommu`: two tables of commands over one core. */
import type { Script } from '../../../hardware/sim/index.ts';
import type { Command } from '../../uapi/index.ts';
import type { CommandTable } from '../commands.ts';
import type { FileOperations } from '../files.ts';
import type { Process } from '../process.ts';
import type { IoasidContext } from './context.ts';
import { VERSION_1 } from './version1.ts';
import { VERSION_2 } from './version2.ts';

/** Of the proposal. */
export type Version = 1 | 2;

export class IoasidFile implements FileOperations {
  readonly context: IoasidContext;
  readonly version: Version;
  readonly #table: CommandTable<IoasidContext>;

  constructor(context: IoasidContext, version: Version) {
    this.context = context;
    this.version = version;
    this.#table = version === 1 ? VERSION_1 : VERSION_2;
  }

  command(request: number): Command | undefined {
    return this.#table.command(request);
  }

  ioctl(process: Process, request: number, argument: bigint): Script<number> {
    return this.#table.run(this.context, process, request, argument);
  }

  /** Devices that are still bound keep what is behind the file. */
  *release(): Script {
    yield* this.context.put();
  }
}
