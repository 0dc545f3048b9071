/**
 * The DMA API of drivers inside the kernel: it lends memory to a device and says where the device finds it.
 *
 * Surface: `setMask`; `map`, `mapSg` and `unmap` for memory that the driver has; `allocCoherent` and `freeCoherent` for
 * memory that driver and device share for long. An address is a bigint and a failure a negative errno: -EINVAL, -ENOSPC
 * without free addresses, -ENOMEM, -EBUSY when the driver has attached the device elsewhere, -EIO.
 *
 * Only whole pages can be lent: what shares a page with a buffer is in the device's reach. Caches are coherent, so that
 * there is nothing to synchronize. A device's limits on the length of a segment are not known.
 */
import { PAGE_SHIFT, PAGE_SIZE, type PageNumber, pageOf } from '../../../hardware/bits/index.ts';
import type { Protection } from '../../../hardware/formats/index.ts';
import { ns, type Script } from '../../../hardware/sim/index.ts';
import { EINVAL, EIO, ENOSPC } from '../../uapi/index.ts';
import type { KernelCosts } from '../costs.ts';
import type { DeviceBuffer, DriverMemory } from '../drivers/memory.ts';
import type { DomainOptions } from '../iommu/driver.ts';
import type { KernelLog } from '../log.ts';
import type { PciDevice } from '../pci/index.ts';
import type { DefaultDomain, DomainUser } from './default-domain.ts';
import type { DmaSpace } from './dma-space.ts';
import { type DmaPiece, type DmaSegment, type Lending, lendingOf, segmentsOf } from './segments.ts';

/** Who writes the memory, as the driver sees it. */
export type DmaDirection = 'to device' | 'from device' | 'both';

const PROTECTION: Readonly<Record<DmaDirection, Protection>> = {
  'to device': { read: true, write: false },
  'from device': { read: false, write: true },
  both: { read: true, write: true },
};

/** Memory that a device reads and writes until it is freed. */
export interface CoherentMemory {
  readonly iova: bigint;
  readonly buffer: DeviceBuffer;
}

interface Lent {
  /** Pages of addresses. */
  readonly pages: number;
  /** What the API has allocated itself. */
  readonly coherent: DeviceBuffer | null;
  /** Without translation a page may be lent several times under its one address. */
  times: number;
}

/** Below this page addresses fit into 32 bits: they are used first, as devices are seldom tried with others. */
const LAST_32BIT_PAGE: PageNumber = 2 ** (32 - PAGE_SHIFT) - 1;
/** What a device is believed to reach before its driver says more. */
const DEFAULT_MASK = 32;

export interface DeviceDmaServices {
  readonly domain: DefaultDomain;
  readonly memory: DriverMemory;
  readonly cost: KernelCosts;
  readonly log: KernelLog;
  /** What the device's domain must be able to do. */
  readonly domainOptions: () => DomainOptions;
}

export class DeviceDma implements DomainUser {
  readonly device: PciDevice;
  readonly #services: DeviceDmaServices;
  /** By the first page of addresses. */
  readonly #lent = new Map<PageNumber, Lent>();
  /** The last page that the device reaches. */
  #last: PageNumber = lastPage(DEFAULT_MASK);
  /** Addresses of 32 bits have run out once: they are not looked for again. */
  #beyond32 = false;
  /** How entering the default domain ended; `null` before it was needed. */
  #entered: number | null = null;

  constructor(device: PciDevice, services: DeviceDmaServices) {
    this.device = device;
    this.#services = services;
  }

  /** Where the device's DMA goes now. */
  get domainType(): DefaultDomain['type'] {
    return this.#services.domain.type;
  }

  /** Says how many bits of an address the device drives, 32 before: 0 or -EINVAL. What is lent by then stays. */
  setMask(bits: number): number {
    if (!Number.isInteger(bits) || bits <= PAGE_SHIFT || bits > 64) return -EINVAL;
    this.#last = lastPage(bits);
    return 0;
  }

  /** Lends a part of a buffer: the address of its first byte. The buffer must not be freed before `unmap`. */
  *map(buffer: DeviceBuffer, direction: DmaDirection, part: Omit<DmaPiece, 'buffer'> = {}): Script<bigint | number> {
    const segments = yield* this.#lend(lendingOf([{ buffer, ...part }]), direction, null);
    if (typeof segments === 'number') return segments;
    if (segments.length === 1) return segments[0]!.iova;
    // Without translation scattered memory has no address of its own.
    const result = yield* this.unmap(segments[0]!.iova);
    return result < 0 ? result : -EINVAL;
  }

  /** Lends scattered memory under consecutive pages of addresses: what the device sees, pieces in a row as one. */
  mapSg(pieces: readonly DmaPiece[], direction: DmaDirection): Script<readonly DmaSegment[] | number> {
    return this.#lend(lendingOf(pieces), direction, null);
  }

  /**
   * Takes back what begins at this address: 0, -EINVAL for what was not lent. With the lazy policy the device may reach it
   * for some time more; with -EIO for ever, so that its memory must not be freed.
   */
  *unmap(iova: bigint): Script<number> {
    const lent = this.#lent.get(pageOf(iova));
    return lent === undefined || lent.coherent !== null ? -EINVAL : yield* this.#takeBack(pageOf(iova), lent);
  }

  /** Cleared memory that the device reads and writes. */
  *allocCoherent(bytes: number): Script<CoherentMemory | number> {
    if (!(Number.isSafeInteger(bytes) && bytes > 0)) return -EINVAL;
    const entered = yield* this.#enter();
    if (entered < 0) return entered;
    const { memory, domain, cost } = this.#services;
    const pages = Math.ceil(bytes / PAGE_SIZE);
    yield ns(cost.allocate + pages * cost.clearPage);
    const buffer = memory.allocate(pages, { contiguous: domain.space === null });
    if (typeof buffer === 'number') return buffer;
    const segments = yield* this.#lend(lendingOf([{ buffer }]), 'both', buffer);
    if (typeof segments !== 'number') return { iova: segments[0]!.iova, buffer };
    if (segments !== -EIO) memory.free(buffer);
    return segments;
  }

  /** The memory is freed when the device can no longer reach it: 0, -EINVAL, or -EIO and it stays. */
  *freeCoherent(iova: bigint): Script<number> {
    const lent = this.#lent.get(pageOf(iova));
    return lent === undefined || lent.coherent === null ? -EINVAL : yield* this.#takeBack(pageOf(iova), lent);
  }

  /** Takes back everything and leaves the default domain: 0, or -EIO and this can be tried again. */
  *release(): Script<number> {
    if (this.#entered === null) return 0;
    const { domain } = this.#services;
    const runs = [...this.#lent].map(([first, { pages }]) => ({ first, pages }));
    this.#lent.clear();
    const withdrawn = domain.space === null ? 0 : yield* domain.space.withdraw(runs);
    const left = withdrawn < 0 ? withdrawn : yield* domain.leave(this);
    if (left === 0) this.#entered = null;
    return left;
  }

  *#enter(): Script<number> {
    if (this.#entered !== null) return this.#entered;
    const result = yield* this.#services.domain.enter(this, this.#services.domainOptions());
    if (result === 0 || result === -EIO) this.#entered = result;
    return result;
  }

  *#lend(
    lending: Lending | null,
    direction: DmaDirection,
    coherent: DeviceBuffer | null,
  ): Script<readonly DmaSegment[] | number> {
    if (lending === null) return -EINVAL;
    const entered = yield* this.#enter();
    if (entered < 0) return entered;
    const { frames } = lending;
    const { space } = this.#services.domain;
    const first = space === null ? this.#asItIs(frames) : yield* this.#allocate(space, frames.length);
    if (first < 0) return first;
    const result = space === null ? 0 : yield* space.map(first, frames, PROTECTION[direction]);
    if (result < 0) return result;
    const known = this.#lent.get(first);
    if (known === undefined) this.#lent.set(first, { pages: frames.length, coherent, times: 1 });
    else known.times++;
    return segmentsOf(lending, space === null ? (page) => frames[page]! : (page) => first + page);
  }

  /** The first page of memory that has no other address than its own; -EINVAL when the device does not reach that far. */
  #asItIs(frames: Float64Array): PageNumber | number {
    return frames.some((frame) => frame > this.#last) ? -EINVAL : frames[0]!;
  }

  *#allocate(space: DmaSpace, pages: number): Script<PageNumber | number> {
    if (this.#last > LAST_32BIT_PAGE && !this.#beyond32) {
      const low = yield* space.allocate(pages, { last: LAST_32BIT_PAGE, emptyCache: false });
      if (low !== -ENOSPC) return low;
      this.#beyond32 = true;
      this.#services.log.write(`dma: ${this.device.address} is given addresses of more than 32 bits`);
    }
    return yield* space.allocate(pages, { last: this.#last, emptyCache: true });
  }

  *#takeBack(first: PageNumber, lent: Lent): Script<number> {
    lent.times--;
    if (lent.times > 0) return 0;
    this.#lent.delete(first);
    const { memory, domain } = this.#services;
    const released = (): void => {
      if (lent.coherent !== null) memory.free(lent.coherent);
    };
    if (domain.space !== null) return yield* domain.space.unmap({ first, pages: lent.pages }, released);
    released();
    return 0;
  }
}

function lastPage(bits: number): PageNumber {
  return 2 ** (bits - PAGE_SHIFT) - 1;
}
