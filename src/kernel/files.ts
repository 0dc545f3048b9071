/** Open files and the table of a process's descriptors. */
import type { Script, Signal } from '../../hardware/sim/index.ts';
import { type Command, EMFILE } from '../uapi/index.ts';
import type { FaultPoints } from './fault-points.ts';
import type { Process } from './process.ts';

/** What an open file can do. What it leaves out fails as in Linux: ENOTTY for ioctl, EINVAL for the rest. */
export interface FileOperations {
  ioctl?(process: Process, request: number, argument: bigint): Script<number>;
  pread?(process: Process, address: bigint, length: number, offset: bigint): Script<number>;
  pwrite?(process: Process, address: bigint, length: number, offset: bigint): Script<number>;
  /** Where the file has no places: what comes next, and what is said next. */
  read?(process: Process, address: bigint, length: number): Script<number>;
  write?(process: Process, address: bigint, length: number): Script<number>;
  /** Waits until there is something to read, so many nanoseconds at most: 1 when there is, else 0; -EINTR when interrupted. */
  poll?(nanoseconds: number, interrupted: Signal): Script<number>;
  /** ENQCMD with 64 bytes of the process to a place in a mapping of the file, under the process's PASID. */
  enqcmd?(process: Process, pasid: number, address: bigint, offset: bigint): Script<number>;
  /** The command behind a request number: for traces. */
  command?(request: number, process: Process, argument: bigint): Command | undefined;
  /** Runs once, when nobody uses the file any more. */
  release(): Script<void>;
}

export class OpenFile {
  readonly path: string;
  readonly operations: FileOperations;
  /** Descriptors, of a process and its children, and calls that are still under way. */
  #references = 1;

  constructor(path: string, operations: FileOperations) {
    this.path = path;
    this.operations = operations;
  }

  hold(): void {
    this.#references++;
  }

  *drop(): Script {
    this.#references--;
    if (this.#references === 0) yield* this.operations.release();
  }
}

export class FileTable {
  readonly #files = new Map<number, OpenFile>();
  readonly #limit: number;
  readonly #faultPoints: FaultPoints;
  #isClosed = false;

  constructor(limit: number, faultPoints: FaultPoints) {
    this.#limit = limit;
    this.#faultPoints = faultPoints;
  }

  /** Open descriptors in ascending order. */
  get descriptors(): number[] {
    return [...this.#files.keys()].sort((a, b) => a - b);
  }

  get(fd: number): OpenFile | undefined {
    return this.#files.get(fd);
  }

  /** Gives `file` the lowest free descriptor, or returns -EMFILE. */
  install(file: OpenFile): number {
    let fd = 0;
    while (this.#files.has(fd)) fd++;
    if (this.#isClosed || fd >= this.#limit || this.#faultPoints.refuses('descriptor')) return -EMFILE;
    this.#files.set(fd, file);
    return fd;
  }

  /** No file is taken any more: the process ends, whatever its other threads are about to open. */
  close(): void {
    this.#isClosed = true;
  }

  /** Gives a child the same open files under the same descriptors. */
  shareWith(child: FileTable): void {
    for (const [fd, file] of this.#files) {
      file.hold();
      child.#files.set(fd, file);
    }
  }

  remove(fd: number): OpenFile | undefined {
    const file = this.#files.get(fd);
    this.#files.delete(fd);
    return file;
  }
}
