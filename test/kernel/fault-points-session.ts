/** A program of either version whose calls are refused: it opens files, binds devices, and has spaces. */
import type { Script } from '../../hardware/sim/index.ts';
import {
  IOASID_GET_DIRTY_BITMAP,
  IOASID_SET_DIRTY_TRACKING,
  IOMMU_GET_DIRTY_BITMAP,
  IOMMU_IOASID_ALLOC,
  IOMMU_SET_DIRTY_TRACKING,
  IommuIoasidType,
} from '../../src/uapi/index.ts';
import type { Program } from '../../src/user/index.ts';
import type { Trial } from './fault-points-bench.ts';
import { GPA, memory, PAGES } from './fault-points-parts.ts';
import { PAGE } from './machine-bench.ts';
import { PERSONALITIES, type Personality } from './teardown-personalities.ts';

const K4 = BigInt(PAGE);
const BYTES = BigInt(PAGES) * K4;
/** IommuIoasidFlag.DIRTY_TRACKING. */
const DIRTY = 16;

export type Version = 1 | 2;

export class Session {
  readonly trial: Trial;
  readonly program: Program;
  readonly #api: Personality;
  readonly #version: Version;
  fd = -1;
  /** The program's memory: each page has its mark. */
  at = 0n;
  #bitmap = 0n;
  readonly devices: number[] = [];

  constructor(trial: Trial, version: Version) {
    this.trial = trial;
    this.program = trial.program('program');
    this.#version = version;
    this.#api = PERSONALITIES[version - 1]!;
  }

  /** Memory, a descriptor, and devices that are bound to it. */
  *begin(...paths: readonly string[]): Script<this> {
    const { trial, program } = this;
    // A page for arguments, so that no call takes one and keeps it.
    yield* program.ioctl(-1, IOMMU_IOASID_ALLOC);
    this.at = yield* memory(trial, program);
    this.#bitmap = yield* program.mmap(PAGE, { populate: true });
    this.fd = yield* trial.call(`open ${this.#api.path}`, () => program.open(this.#api.path));
    for (const path of paths) this.devices.push(yield* trial.call('open a device', () => program.open(path)));
    for (const [i, device] of this.devices.entries()) {
      yield* trial.call('bind', () => this.#api.bind(program, device, this.fd, BigInt(i)));
    }
    return this;
  }

  alloc(parent = 0): Script<number> {
    const { trial, program, fd } = this;
    return trial.call('alloc', () =>
      parent === 0 ? this.#api.alloc(program, fd) : this.#api.nest(program, fd, parent),
    );
  }

  /** A space whose writes can be tracked: in version 1 its devices' IOMMU decides. */
  allocTracked(parent = 0): Script<number> {
    if (this.#version === 1) return this.alloc(parent);
    const nested = parent === 0 ? {} : { parent_ioasid: parent };
    const attributes = { type: IommuIoasidType.KERNEL_TYPE1V2, addr_width: 39, flags: DIRTY, ...nested };
    return this.trial.call('alloc', () => this.program.ioctl(this.fd, IOMMU_IOASID_ALLOC, attributes));
  }

  attach(i: number, ioasid: number): Script<number> {
    const { trial, program, fd, devices } = this;
    return trial.call(`attach ${i}`, () => this.#api.attach(program, devices[i]!, fd, ioasid));
  }

  detach(i: number, ioasid: number): Script<number> {
    const { trial, program, fd, devices } = this;
    return trial.call(`detach ${i}`, () => this.#api.detach(program, devices[i]!, fd, ioasid));
  }

  map(ioasid: number, iova = GPA, vaddr = this.at, size = BYTES): Script<number> {
    return this.trial.call('map', () => this.#api.map(this.program, this.fd, { ioasid, iova, vaddr, size }));
  }

  unmap(ioasid: number, iova = GPA, size = BYTES): Script<number> {
    return this.trial.call('unmap', () => this.#api.unmap(this.program, this.fd, { ioasid, iova, size }));
  }

  track(ioasid: number, on = true): Script<number> {
    const command = this.#version === 1 ? IOASID_SET_DIRTY_TRACKING : IOMMU_SET_DIRTY_TRACKING;
    return this.trial.call('track', () => this.program.ioctl(this.fd, command, { ioasid, flags: on ? 1 : 0 }));
  }

  /** What was written, as it is told once. */
  written(ioasid: number): Script<number> {
    return this.trial.call('read the bitmap', () => this.#read(ioasid, 0));
  }

  /** The same for somebody who only looks: the bitmap's first bytes, or the errno. */
  *dirty(ioasid: number): Script<Uint8Array | number> {
    this.program.write(this.#bitmap, new Uint8Array(8));
    const result = yield* this.#read(ioasid, 1);
    return result < 0 ? result : this.program.read(this.#bitmap, 8);
  }

  #read(ioasid: number, flags: number): Script<number> {
    const command = this.#version === 1 ? IOASID_GET_DIRTY_BITMAP : IOMMU_GET_DIRTY_BITMAP;
    const range = { iova: GPA, length: BYTES, page_size: K4, data: this.#bitmap };
    return this.program.ioctl(this.fd, command, { ioasid, flags, ...range });
  }
}
