/** Memory that a host brings to a rig, in which something may happen between two accesses of the unit. */
import type { HostMemory } from '../../hardware/index.ts';

const BYTES = 0x20_0000;

export class HostRam implements HostMemory {
  readonly #bytes = new Uint8Array(BYTES);
  readonly #view = new DataView(this.#bytes.buffer);
  /** Runs after the unit has read 8 bytes at this address, once. */
  #after: { readonly address: bigint; readonly action: () => void } | null = null;
  /** Runs before an exchange at this address, once. */
  #before: { readonly address: bigint; readonly action: () => void } | null = null;
  /** Exchanges from here on fail. */
  failing = false;
  exchanges = 0;

  read(address: bigint, length: number): Uint8Array {
    if (address + BigInt(length) > BigInt(BYTES)) return new Uint8Array(0);
    const found = this.#bytes.slice(Number(address), Number(address) + length);
    const happening = this.#after;
    if (happening !== null && happening.address === address && length === 8) {
      this.#after = null;
      happening.action();
    }
    return found;
  }

  write(address: bigint, bytes: Uint8Array): void {
    this.#bytes.set(bytes, Number(address));
  }

  compareExchange64(address: bigint, expected: bigint, next: bigint): bigint {
    if (this.failing) throw new Error('the bus is gone');
    const happening = this.#before;
    if (happening !== null && happening.address === address) {
      this.#before = null;
      happening.action();
    }
    this.exchanges++;
    const found = this.get(address);
    if (found === expected) this.put(address, next);
    return found;
  }

  get(address: bigint): bigint {
    return this.#view.getBigUint64(Number(address), true);
  }

  put(address: bigint, value: bigint): void {
    this.#view.setBigUint64(Number(address), value, true);
  }

  afterRead(address: bigint, action: () => void): void {
    this.#after = { address, action };
  }

  beforeExchange(address: bigint, action: () => void): void {
    this.#before = { address, action };
  }
}
