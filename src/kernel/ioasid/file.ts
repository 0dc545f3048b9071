/** An open `/dev/ioasid` or `/dev/iommu`: two tables of commands over one core. */
import type { Script, Signal } from '../../../hardware/sim/index.ts';
import type { Command } from '../../uapi/index.ts';
import type { CommandTable } from '../commands.ts';
import type { FileOperations } from '../files.ts';
import type { Process } from '../process.ts';
import type { IoasidContext } from './context.ts';
import { readFaults, writeResponses } from './fault-file.ts';
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

  /** Reports of faults. */
  read(process: Process, address: bigint, length: number): Script<number> {
    return readFaults(this.context.faults, this.version, { process, address, length });
  }

  /** Answers to page requests. */
  write(process: Process, address: bigint, length: number): Script<number> {
    return writeResponses(this.context.faults, this.version, { process, address, length });
  }

  poll(nanoseconds: number, interrupted: Signal): Script<number> {
    return this.context.faults.poll(nanoseconds, interrupted);
  }

  /** Devices that are still bound keep what is behind the file, but nobody hears of their faults any more. */
  *release(): Script {
    yield* this.context.faults.close();
    yield* this.context.put();
  }
}
