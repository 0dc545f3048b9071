/** Memory that a host brings to a rig, as a window of physical memory. */
import type { Window } from '../memory/index.ts';

export interface HostMemory {
  /** The bytes at a physical address. Fewer bytes than asked for, or a throw, is an access that resulted in an error. */
  read(address: bigint, length: number): Uint8Array;
  write(address: bigint, bytes: Uint8Array): void;
  /** Replaces the 8 bytes at `address` if they equal `expected`, atomically; gives what was there. */
  compareExchange64?(address: bigint, expected: bigint, next: bigint): bigint;
}

/** A window onto the host's memory from physical address `start` on. A host that throws tells that nothing is there. */
export function hostWindow(host: HostMemory, start: number): Window {
  const at = (offset: number): bigint => BigInt(start + offset);
  const window: Window = {
    read(offset, bytes) {
      const found = attempt(() => host.read(at(offset), bytes.length));
      if (found === undefined || found.length !== bytes.length) return false;
      bytes.set(found);
      return true;
    },
    write(offset, bytes) {
      const written = attempt(() => {
        host.write(at(offset), bytes.slice());
        return true;
      });
      return written === true;
    },
  };
  const exchange = host.compareExchange64?.bind(host);
  if (exchange === undefined) return window;
  return {
    ...window,
    compareExchange64: (offset, expected, next) => attempt(() => exchange(at(offset), expected, next)),
  };
}

function attempt<T>(access: () => T): T | undefined {
  try {
    return access();
  } catch {
    return undefined;
  }
}
