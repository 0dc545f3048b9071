/**
 * A transaction layer packet as the models pass it on: what its header says, in integers, and its data. The bits of the
 * header are made only where they are looked at (`codec.ts`).
 *
 * A TLP belongs to a pool. Who takes one fills it with one of the constructors below, which set every field, and sends
 * it; who receives it gives it back when it is dealt with, and must not keep it.
 */
import { AddressType, CompletionStatus, MessageRouting } from './spec/index.ts';

/** Memory requests first, then what answers, then the rest. */
export const TlpKind = {
  MEMORY_READ: 0,
  MEMORY_WRITE: 1,
  FETCH_ADD: 2,
  SWAP: 3,
  COMPARE_AND_SWAP: 4,
  DEFERRABLE_WRITE: 5,
  COMPLETION: 6,
  COMPLETION_DATA: 7,
  CONFIG_READ_0: 8,
  CONFIG_WRITE_0: 9,
  CONFIG_READ_1: 10,
  CONFIG_WRITE_1: 11,
  MESSAGE: 12,
  MESSAGE_DATA: 13,
} as const;

/** Flow-control classes. A TLP never waits for a credit of another class. */
export const CreditClass = { POSTED: 0, NON_POSTED: 1, COMPLETION: 2 } as const;

const { POSTED, NON_POSTED } = CreditClass;
const CLASS_OF = new Uint8Array(14).fill(NON_POSTED);
CLASS_OF[TlpKind.MEMORY_WRITE] = POSTED;
CLASS_OF[TlpKind.MESSAGE] = POSTED;
CLASS_OF[TlpKind.MESSAGE_DATA] = POSTED;
CLASS_OF[TlpKind.COMPLETION] = CreditClass.COMPLETION;
CLASS_OF[TlpKind.COMPLETION_DATA] = CreditClass.COMPLETION;

/** Bits of `attributes`, as in the header. */
export const Attribute = { NO_SNOOP: 1, RELAXED_ORDERING: 2, ID_ORDERING: 4 } as const;

/** The value of `pasid` in a TLP without a PASID prefix. */
export const NO_PASID = -1;

export class Tlp {
  kind: number = TlpKind.MEMORY_READ;
  /** Who asked; in a completion, whom it answers. */
  requester = 0;
  tag = 0;
  attributes = 0;
  /** 0 to 7. The models send 0, and answer in the class of the request. */
  trafficClass = 0;
  pasid: number = NO_PASID;
  privileged = false;
  execute = false;
  addressType = 0;
  /**
   * Byte address of a memory request as two int32 halves. In a translation request the low half is the last word of the
   * header, with No Write in bit 0; in a configuration request it is the byte offset of the register; in a completion it
   * is the Lower Address field; in a message the halves are its third and fourth word.
   */
  addressHi = 0;
  addressLo = 0;
  /** Bytes that are asked for or carried; 0 is a zero-length request. */
  length = 0;
  /** Present when the TLP carries data, which are the first `length` bytes of it. */
  data: Uint8Array | null = null;
  status: number = CompletionStatus.SUCCESSFUL;
  /** Who answers: the completer of a completion, the target of a configuration request or of a message by ID. */
  completer = 0;
  messageCode = 0;
  /** How a message finds its way: a value of `MessageRouting`. */
  routing: number = MessageRouting.ROOT_COMPLEX;
  /** In a completion: bytes still to come, including those it carries. */
  byteCount = 0;
  /** The traced task that it belongs to, a completion to that of its request; 0 while nobody watches. */
  task = 0;
  /** True while it is in its pool. */
  idle = false;
  #storage = new Uint8Array(64);

  get creditClass(): number {
    return CLASS_OF[this.kind]!;
  }

  /** True for what a function with bus mastering off must not send. */
  get isMemoryRequest(): boolean {
    return this.kind <= TlpKind.DEFERRABLE_WRITE;
  }

  get isConfigRequest(): boolean {
    return this.kind >= TlpKind.CONFIG_READ_0 && this.kind <= TlpKind.CONFIG_WRITE_1;
  }

  get isMessage(): boolean {
    return this.kind >= TlpKind.MESSAGE;
  }

  /** An AtomicOp, which both reads and writes. */
  get isAtomic(): boolean {
    return this.kind >= TlpKind.FETCH_ADD && this.kind <= TlpKind.COMPARE_AND_SWAP;
  }

  /** A request for translations instead of data, 8 bytes each. */
  get isTranslationRequest(): boolean {
    return this.kind === TlpKind.MEMORY_READ && this.addressType === AddressType.TRANSLATION;
  }

  /** Bytes of the first word before the first that is meant. */
  get dataOffset(): number {
    // What stands in the address of these is no address of a byte.
    return this.isMessage || this.isTranslationRequest ? 0 : this.addressLo & 3;
  }

  /** Words that [address, address + length) touches, which is what travels; a zero-length request names one. */
  get dataWords(): number {
    const words = (this.dataOffset + this.length + 3) >>> 2;
    return words === 0 && !this.isMessage ? 1 : words;
  }

  /** Units of 16 bytes of the data that it carries, by which data credits count. */
  get dataUnits(): number {
    return this.data === null ? 0 : (this.dataWords + 3) >>> 2;
  }

  memoryRead(requester: number, tag: number, addressHi: number, addressLo: number, length: number): this {
    return this.#request(TlpKind.MEMORY_READ, requester, tag).#at(addressHi, addressLo, length);
  }

  /** The caller fills `data`, which this provides. */
  memoryWrite(requester: number, addressHi: number, addressLo: number, length: number): this {
    return this.#request(TlpKind.MEMORY_WRITE, requester, 0).#at(addressHi, addressLo, length).#carry();
  }

  /** An AtomicOp of `kind`; the caller fills `data` with its operands: for a compare-and-swap what to compare, then what to write. */
  atomic(kind: number, requester: number, tag: number, addressHi: number, addressLo: number, length: number): this {
    return this.#request(kind, requester, tag).#at(addressHi, addressLo, length).#carry();
  }

  /** A write that its completer may put off: it is answered with success or Request Retry Status. The caller fills `data`. */
  deferrableWrite(requester: number, tag: number, addressHi: number, addressLo: number, length: number): this {
    return this.#request(TlpKind.DEFERRABLE_WRITE, requester, tag).#at(addressHi, addressLo, length).#carry();
  }

  /** A message for the root complex. `words` are the third and fourth word of its header. */
  message(requester: number, code: number, words: readonly [number, number] = [0, 0]): this {
    this.#request(TlpKind.MESSAGE, requester, 0).#at(words[0], words[1], 0);
    this.messageCode = code;
    return this;
  }

  /** A message for the function `target`. `low` is the lower half of the third word, `last` the fourth. */
  messageTo(target: number, requester: number, code: number, low = 0, last = 0): this {
    this.message(requester, code, [(target << 16) | low, last]);
    this.completer = target;
    this.routing = MessageRouting.ID;
    return this;
  }

  /** Gives a message `length` bytes of data, which the caller fills. */
  withMessageData(length: number): this {
    this.kind = TlpKind.MESSAGE_DATA;
    this.length = length;
    return this.#carry();
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

  /** Makes a configuration request one of type 1, which a bridge passes on, or of type 0, which a function takes. */
  ofType1(isType1: boolean): this {
    if (isType1 !== this.kind >= TlpKind.CONFIG_READ_1) this.kind += isType1 ? 2 : -2;
    return this;
  }

  /** Answers `request` without data. `ordersById`: IDO Completion Enable of who answers. */
  completion(request: Tlp, completer: number, status: number, ordersById = false): this {
    const byteCount = bytesAsked(request);
    const { requester, tag, trafficClass } = request;
    this.answer(requester, tag, completer, status, byteCount);
    this.task = request.task;
    this.attributes = answeredAttributes(request, ordersById);
    this.trafficClass = trafficClass;
    return this;
  }

  /** Answers `request` with the `length` bytes from `from` on; the caller fills `data`. */
  completionData(request: Tlp, completer: number, from: number, length: number, ordersById = false): this {
    this.completion(request, completer, CompletionStatus.SUCCESSFUL, ordersById).byteCount -= from;
    // Lower Address says something of the data of a read; other answers are whole translations, operands or words.
    const isRead = request.kind === TlpKind.MEMORY_READ && !request.isTranslationRequest;
    return this.withData(lowerAddress(isRead ? request.addressLo + from : from, request.length), length);
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
    this.trafficClass = 0;
    this.pasid = NO_PASID;
    this.privileged = false;
    this.execute = false;
    this.addressType = 0;
    this.data = null;
    this.status = CompletionStatus.SUCCESSFUL;
    this.completer = 0;
    this.messageCode = 0;
    this.routing = MessageRouting.ROOT_COMPLEX;
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

/** Lower Address of an answer that begins at `address`; a request of no bytes is one for a word (PCIe 2.3.1.1). */
export function lowerAddress(address: number, length: number): number {
  return address & (length === 0 ? 0x7c : 0x7f);
}

/** Nothing more comes of what this completion answers. */
export function isLastCompletion({ status, data, byteCount, length }: Tlp): boolean {
  return status !== CompletionStatus.SUCCESSFUL || data === null || byteCount <= length;
}

/** Bytes that a whole answer to `request` has. */
function bytesAsked({ kind, length }: Tlp): number {
  if (kind === TlpKind.MEMORY_READ) return Math.max(length, 1);
  if (kind === TlpKind.COMPARE_AND_SWAP) return length / 2;
  return kind === TlpKind.FETCH_ADD || kind === TlpKind.SWAP ? length : 4;
}

/**
 * Attributes of an answer. No Snoop and Relaxed Ordering are the request's (PCIe 2.2.9); ID-based ordering is not copied:
 * who may set it at all should in every answer (2.2.6.4). Translations have Relaxed Ordering and no other (10.2.3).
 */
function answeredAttributes({ attributes, isTranslationRequest }: Tlp, ordersById: boolean): number {
  const { NO_SNOOP, RELAXED_ORDERING, ID_ORDERING } = Attribute;
  if (isTranslationRequest) return attributes & RELAXED_ORDERING;
  return (attributes & (NO_SNOOP | RELAXED_ORDERING)) | (ordersById ? ID_ORDERING : 0);
}
