/**
 * A transaction layer packet as the models pass it on: what its header says, in integers, and its data. The bits of the
 * header are made only where they are looked at (`codec.ts`).
 *
 * A TLP belongs to a pool. Who takes one fills it with one of the constructors below, which set every field, and sends
 * it; who receives it gives it back when it is dealt with, and must not keep it.
 */
import { CompletionStatus, FRAMING_BYTES } from './spec/index.ts';

export const TlpKind = {
  MEMORY_READ: 0,
  MEMORY_WRITE: 1,
  COMPLETION: 2,
  COMPLETION_DATA: 3,
  CONFIG_READ_0: 4,
  CONFIG_WRITE_0: 5,
} as const;

/** Flow-control classes. A TLP never waits for a credit of another class. */
export const CreditClass = { POSTED: 0, NON_POSTED: 1, COMPLETION: 2 } as const;

const CLASS_OF = Uint8Array.of(
  CreditClass.NON_POSTED,
  CreditClass.POSTED,
  CreditClass.COMPLETION,
  CreditClass.COMPLETION,
  CreditClass.NON_POSTED,
  CreditClass.NON_POSTED,
);

/** Bits of `attributes`, as in the header. */
export const Attribute = { NO_SNOOP: 1, RELAXED_ORDERING: 2, ID_ORDERING: 4 } as const;

/** The value of `pasid` in a TLP without a PASID prefix. */
export const NO_PASID = -1;

/** Bus, device and function as the 16-bit id that travels in TLPs. */
export function requesterId(bus: number, device: number, fn: number): number {
  return (bus << 8) | (device << 3) | fn;
}

/** `bb:dd.f` of a requester id. */
export function formatRequester(id: number): string {
  const part = (value: number) => value.toString(16).padStart(2, '0');
  return `${part(id >>> 8)}:${part((id >>> 3) & 31)}.${id & 7}`;
}

export class Tlp {
  kind: number = TlpKind.MEMORY_READ;
  /** Who asked; in a completion, whom it answers. */
  requester = 0;
  tag = 0;
  attributes = 0;
  pasid: number = NO_PASID;
  privileged = false;
  execute = false;
  addressType = 0;
  /**
   * Byte address of a memory request as two int32 halves. In a configuration request the low half is the byte offset of
   * the register; in a completion it is the Lower Address field.
   */
  addressHi = 0;
  addressLo = 0;
  /** Bytes that are asked for or carried; 0 is a zero-length request. */
  length = 0;
  /** Present when the TLP carries data, which are the first `length` bytes of it. */
  data: Uint8Array | null = null;
  status: number = CompletionStatus.SUCCESSFUL;
  /** Who answers: the completer of a completion, the target of a configuration request. */
  completer = 0;
  /** In a completion: bytes still to come, including those it carries. */
  byteCount = 0;
  /** True while it is in its pool. */
  idle = false;
  #storage = new Uint8Array(64);

  get creditClass(): number {
    return CLASS_OF[this.kind]!;
  }

  /** True for what a function with bus mastering off must not send. */
  get isMemoryRequest(): boolean {
    return this.kind <= TlpKind.MEMORY_WRITE;
  }

  memoryRead(requester: number, tag: number, addressHi: number, addressLo: number, length: number): this {
    return this.#request(TlpKind.MEMORY_READ, requester, tag).#at(addressHi, addressLo, length);
  }

  /** The caller fills `data`, which this provides. */
  memoryWrite(requester: number, addressHi: number, addressLo: number, length: number): this {
    return this.#request(TlpKind.MEMORY_WRITE, requester, 0).#at(addressHi, addressLo, length).#carry();
  }

  configRead(requester: number, tag: number, target: number, offset: number, size: number): this {
    this.#request(TlpKind.CONFIG_READ_0, requester, tag).#at(0, offset, size);
    this.completer = target;
    return this;
  }

  /** The caller fills `data`. */
  configWrite(requester: number, tag: number, target: number, offset: number, size: number): this {
    this.#request(TlpKind.CONFIG_WRITE_0, requester, tag).#at(0, offset, size).#carry();
    this.completer = target;
    return this;
  }

  /** Answers `request` without data. */
  completion(request: Tlp, completer: number, status: number): this {
    const byteCount = request.kind === TlpKind.MEMORY_READ ? Math.max(request.length, 1) : 4;
    const { requester, tag, attributes } = request;
    this.answer(requester, tag, completer, status, byteCount).attributes = attributes;
    return this;
  }

  /** Answers `request` with the `length` bytes from `from` on; the caller fills `data`. */
  completionData(request: Tlp, completer: number, from: number, length: number): this {
    this.completion(request, completer, CompletionStatus.SUCCESSFUL).byteCount -= from;
    // A configuration request is answered with a whole word at Lower Address 0.
    return this.withData(request.kind === TlpKind.MEMORY_READ ? (request.addressLo + from) & 0x7f : 0, length);
  }

  /** A completion from its fields. */
  answer(requester: number, tag: number, completer: number, status: number, byteCount: number): this {
    this.#request(TlpKind.COMPLETION, requester, tag);
    this.completer = completer;
    this.status = status;
    this.byteCount = byteCount;
    return this;
  }

  /** Makes a completion one with data; the caller fills `data`. */
  withData(lowerAddress: number, length: number): this {
    this.kind = TlpKind.COMPLETION_DATA;
    return this.#at(0, lowerAddress, length).#carry();
  }

  /** Puts the request under a PASID. */
  withPasid(pasid: number, privileged: boolean, execute: boolean): this {
    this.pasid = pasid;
    this.privileged = privileged;
    this.execute = execute;
    return this;
  }

  /** `data` as a little-endian number of at most four bytes. */
  get word(): number {
    const data = this.data!;
    let value = 0;
    for (let i = Math.min(this.length, 4) - 1; i >= 0; i--) value = value * 256 + data[i]!;
    return value;
  }

  #request(kind: number, requester: number, tag: number): this {
    this.kind = kind;
    this.requester = requester;
    this.tag = tag;
    this.attributes = 0;
    this.pasid = NO_PASID;
    this.privileged = false;
    this.execute = false;
    this.addressType = 0;
    this.data = null;
    this.status = CompletionStatus.SUCCESSFUL;
    this.completer = 0;
    this.byteCount = 0;
    return this.#at(0, 0, 0);
  }

  #at(hi: number, lo: number, length: number): this {
    this.addressHi = hi | 0;
    this.addressLo = lo | 0;
    this.length = length;
    return this;
  }

  #carry(): this {
    if (this.#storage.length < this.length) {
      this.#storage = new Uint8Array(2 ** (32 - Math.clz32(this.length - 1)));
    }
    this.data = this.#storage;
    return this;
  }
}

/**
 * Bytes of the first request for `left` bytes from `addressLo` on. `limit`, a power of two up to 4096, is the largest
 * payload or read request; the pieces end on its multiples, so none crosses a 4 KiB boundary.
 */
export function pieceLength(addressLo: number, left: number, limit: number): number {
  return Math.min(left, limit - (addressLo & (limit - 1)));
}

/** Bytes of header and PASID prefix. */
export function headerBytes(tlp: Tlp): number {
  const wide = tlp.addressHi !== 0 && tlp.isMemoryRequest;
  return (wide ? 16 : 12) + (tlp.pasid === NO_PASID ? 0 : 4);
}

/** Words that [addressLo, addressLo + length) touches, which is what travels; a zero-length request names one. */
export function dataWords(tlp: Tlp): number {
  return Math.max(((tlp.addressLo & 3) + tlp.length + 3) >>> 2, 1);
}

/** Bytes that a TLP occupies on a link. */
export function wireBytes(tlp: Tlp): number {
  return FRAMING_BYTES + headerBytes(tlp) + (tlp.data === null ? 0 : dataWords(tlp) * 4);
}

/** TLPs for reuse. It grows to what is in use at once and forgets nothing. */
export class TlpPool {
  readonly #all: Tlp[] = [];
  readonly #idle: Tlp[] = [];

  /** A TLP whose fields are what its last user left. */
  take(): Tlp {
    const tlp = this.#idle.pop() ?? this.#grow();
    tlp.idle = false;
    return tlp;
  }

  give(tlp: Tlp): void {
    if (tlp.idle) throw new Error('a TLP was given back twice');
    tlp.idle = true;
    this.#idle.push(tlp);
  }

  /** Number of TLPs that somebody holds. */
  get taken(): number {
    return this.#all.length - this.#idle.length;
  }

  /** All TLPs are idle again. */
  reset(): void {
    this.#idle.length = 0;
    for (const tlp of this.#all) {
      tlp.idle = true;
      this.#idle.push(tlp);
    }
  }

  #grow(): Tlp {
    const tlp = new Tlp();
    this.#all.push(tlp);
    return tlp;
  }
}
