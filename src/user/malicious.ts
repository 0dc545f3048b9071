/** A user-space driver of the malicious device: its owner says what to send, and hears what came back. */
import { type AnyLayout, encode, type Values, wordsOf } from '../../hardware/bits/index.ts';
import {
  ADDRESS,
  BUFFER_BYTES,
  COMPLETIONS,
  CONTROL,
  DATA_OFFSET,
  FLOOD,
  HEADER,
  IDENTITY,
  INVALIDATIONS,
  Kind,
  LENGTH,
  MALICIOUS_BAR,
  PASID,
  RECEIVED_OFFSET,
  RESPONSES,
  SENT,
  STATUS,
  TARGET,
} from '../../hardware/devices/malicious/spec.ts';
import { type Blocking, VFIO_DEVICE_GET_REGION_INFO } from '../uapi/index.ts';
import type { Program } from './program.ts';

/** The device's registers, however its owner reaches them: a negative errno, or what was read. */
export interface RegisterWindow {
  read(offset: number, length: number): Blocking<Uint8Array | number>;
  write(offset: number, bytes: Uint8Array): Blocking<number>;
  sleep(nanoseconds: number): Blocking<unknown>;
}

/** A TLP as it is to be sent. What is left out is 0; the requester is the device itself. */
export interface Attack {
  readonly kind: keyof typeof Kind;
  readonly address?: bigint;
  readonly length?: number;
  /** What it carries; by default zeros. Its length counts where `length` is not given. */
  readonly data?: Uint8Array;
  readonly addressType?: number;
  readonly requester?: number;
  readonly tag?: number;
  readonly pasid?: number;
  readonly privileged?: boolean;
  readonly execute?: boolean;
  readonly attributes?: number;
  readonly trafficClass?: number;
  readonly status?: number;
  readonly byteCount?: number;
  readonly routing?: number;
  readonly target?: number;
  readonly messageCode?: number;
  /** How many, and how far apart: 1 unless given. */
  readonly count?: number;
  readonly step?: number;
}

/** What the device has counted since its reset, and the last completion. */
export interface Loot {
  readonly busy: boolean;
  readonly sent: number;
  readonly completions: number;
  readonly status: number;
  readonly tag: number;
  readonly invalidations: number;
  readonly responses: number;
}

const POLL_NANOSECONDS = 200;
const CHUNK = 8;

export class MaliciousDriver {
  readonly #window: RegisterWindow;
  #silent = false;

  constructor(window: RegisterWindow) {
    this.#window = window;
  }

  /** Takes a bound device into use, or gives the errno: -EINVAL before it is bound. */
  static *open(program: Program, fd: number): Blocking<MaliciousDriver | number> {
    const question = { index: MALICIOUS_BAR };
    const { result, value } = yield* program.exchange(fd, VFIO_DEVICE_GET_REGION_INFO, question);
    if (result < 0) return result;
    return new MaliciousDriver({
      read: (offset, length) => program.pread(fd, length, value.offset + BigInt(offset)),
      write: (offset, bytes) => program.pwrite(fd, bytes, value.offset + BigInt(offset)),
      sleep: (nanoseconds) => program.sleep(nanoseconds),
    });
  }

  /** Sends, and returns when all is on the link or `patience` nanoseconds have passed: what the device says then. */
  *send(attack: Attack, patience = 20_000): Blocking<Loot> {
    const { data, requester, pasid } = attack;
    if (data !== undefined) yield* this.#window.write(DATA_OFFSET, data.subarray(0, BUFFER_BYTES));
    yield* this.#set(HEADER, {
      KIND: Kind[attack.kind],
      ADDRESS_TYPE: attack.addressType ?? 0,
      ATTRIBUTES: attack.attributes ?? 0,
      TRAFFIC_CLASS: attack.trafficClass ?? 0,
      STATUS: attack.status ?? 0,
      ROUTING: attack.routing ?? 0,
      FORGED: requester === undefined ? 0 : 1,
    });
    yield* this.#set(IDENTITY, { REQUESTER: requester ?? 0, TAG: attack.tag ?? 0 });
    yield* this.#set(ADDRESS, { ADDRESS: BigInt.asUintN(64, attack.address ?? 0n) });
    yield* this.#set(LENGTH, { LENGTH: attack.length ?? data?.length ?? 0, BYTE_COUNT: attack.byteCount ?? 0 });
    yield* this.#set(PASID, {
      PASID: pasid ?? 0,
      EXECUTE: attack.execute ? 1 : 0,
      PRIVILEGED: attack.privileged ? 1 : 0,
      VALID: pasid === undefined ? 0 : 1,
    });
    yield* this.#set(TARGET, { COMPLETER: attack.target ?? 0, MESSAGE_CODE: attack.messageCode ?? 0 });
    yield* this.#set(FLOOD, { COUNT: (attack.count ?? 1) - 1, STEP: attack.step ?? 0 });
    yield* this.#set(CONTROL, { START: 1, SILENT: this.#silent ? 1 : 0 });
    for (let waited = 0; waited < patience; waited += POLL_NANOSECONDS) {
      const loot = yield* this.loot();
      if (!loot.busy) return loot;
      yield* this.#window.sleep(POLL_NANOSECONDS);
    }
    return yield* this.loot();
  }

  /** Sends one read and waits for its answer: the data, or the completion's status; `undefined` when nothing comes. */
  *fetch(attack: Omit<Attack, 'kind' | 'count'>, patience = 20_000): Blocking<Uint8Array | number | undefined> {
    const { completions: before } = yield* this.loot();
    yield* this.send({ ...attack, kind: 'MEMORY_READ' }, patience);
    for (let waited = 0; waited < patience; waited += POLL_NANOSECONDS) {
      const { completions, status } = yield* this.loot();
      if (completions > before) return status === 0 ? yield* this.received(attack.length ?? 0) : status;
      yield* this.#window.sleep(POLL_NANOSECONDS);
    }
    return undefined;
  }

  /** The data that the last completion brought. */
  *received(length: number): Blocking<Uint8Array> {
    const bytes = yield* this.#window.read(RECEIVED_OFFSET, length);
    return typeof bytes === 'number' ? new Uint8Array(0) : bytes;
  }

  /** Whether Invalidate Requests are left without an answer. */
  silent(on: boolean): Blocking<number> {
    this.#silent = on;
    return this.#set(CONTROL, { SILENT: on ? 1 : 0 });
  }

  stop(): Blocking<number> {
    return this.#set(CONTROL, { STOP: 1, SILENT: this.#silent ? 1 : 0 });
  }

  *loot(): Blocking<Loot> {
    const words = new Uint32Array(RESPONSES.$.offset! / 4 + 1);
    for (let at = STATUS.$.offset! & -CHUNK; at < words.length * 4; at += CHUNK) {
      const bytes = yield* this.#window.read(at, CHUNK);
      if (typeof bytes !== 'number') words.set(wordsOf(bytes), at / 4);
    }
    return {
      busy: STATUS.BUSY.isSet(words),
      sent: SENT.TLPS.get(words),
      completions: COMPLETIONS.TLPS.get(words),
      status: STATUS.LAST_STATUS.get(words),
      tag: STATUS.LAST_TAG.get(words),
      invalidations: INVALIDATIONS.TLPS.get(words),
      responses: RESPONSES.TLPS.get(words),
    };
  }

  *#set<L extends AnyLayout>(register: L, values: Values<L>): Blocking<number> {
    const words = encode(register, values);
    const bytes = new Uint8Array(words.length * 4);
    const view = new DataView(bytes.buffer);
    words.forEach((word, i) => {
      view.setUint32(i * 4, word, true);
    });
    return yield* this.#window.write(register.$.offset!, bytes);
  }
}
