/**
 * Frames that belong to processes. A frame is freed when every process has given it up and nobody has it pinned any more, so
 * a device never writes into a page that has found a new owner.
 */
import type { PageNumber } from '../../../hardware/bits/index.ts';
import type { PageAllocator } from '../page-allocator.ts';

export class UserPages {
  readonly #allocator: PageAllocator;
  /** Holders beyond the first: processes and pins. */
  readonly #others = new Map<PageNumber, number>();
  readonly #pins = new Map<PageNumber, number>();
  #pinned = 0;

  constructor(allocator: PageAllocator) {
    this.#allocator = allocator;
  }

  /** Number of pins that are not released. */
  get pinned(): number {
    return this.#pinned;
  }

  isPinned(frame: PageNumber): boolean {
    return this.#pins.has(frame);
  }

  /** True when several processes have the frame. */
  isShared(frame: PageNumber): boolean {
    return (this.#others.get(frame) ?? 0) > (this.#pins.get(frame) ?? 0);
  }

  pin(frame: PageNumber): void {
    this.#pinned++;
    this.#pins.set(frame, (this.#pins.get(frame) ?? 0) + 1);
    this.share(frame);
  }

  unpin(frame: PageNumber): void {
    this.#pinned--;
    const pins = this.#pins.get(frame)! - 1;
    if (pins === 0) this.#pins.delete(frame);
    else this.#pins.set(frame, pins);
    this.release(frame);
  }

  /** One holder more. */
  share(frame: PageNumber): void {
    this.#others.set(frame, (this.#others.get(frame) ?? 0) + 1);
  }

  /** One holder less. */
  release(frame: PageNumber): void {
    const others = this.#others.get(frame) ?? 0;
    if (others === 0) this.#allocator.release(frame);
    else if (others === 1) this.#others.delete(frame);
    else this.#others.set(frame, others - 1);
  }
}
