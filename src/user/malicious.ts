/** A driver of the malicious device: its owner says what to send, and hears what came back. */
import { wordsOf } from '../../hardware/bits/index.ts';
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
import type { Blocking } from '../uapi/index.ts';
import { type DeviceRegisters, regionOf, setRegister } from './device-registers.ts';
import type { Program } from './program.ts';

/** A TLP as it is to be sent. What is left out is 0; the requester is the device itself. */
export interface Attack {
  readonly kind: keyof typeof Kind;
  readonly address?: bigint;
  readonly length?: number;
  /** What it carries; by default zeros. Its length counts where `length` is not given. */
  readonly data?: Uint8Array;
  readonly addressType?: number;
  readonly requester?: number | undefined;
  readonly tag?: number;
  readonly pasid?: number | undefined;
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
  readonly #registers: DeviceRegisters;
  #silent = false;

  constructor(registers: DeviceRegisters) {
    this.#registers = registers;
  }

  /** Takes a bound device into use, or gives the errno: -EINVAL before it is bound. */
  static *open(program: Program, fd: number): Blocking<MaliciousDriver | number> {
    const registers = yield* regionOf(program, fd, MALICIOUS_BAR);
    return typeof registers === 'number' ? registers : new MaliciousDriver(registers);
  }

  /** Sends, and returns when all is on the link or `patience` nanoseconds have passed: what the device says then. */
  *send(attack: Attack, patience = 20_000): Blocking<Loot> {
    const { data, requester, pasid } = attack;
    if (data !== undefined) yield* this.#registers.write(DATA_OFFSET, data.subarray(0, BUFFER_BYTES));
    yield* setRegister(this.#registers, HEADER, {
      KIND: Kind[attack.kind],
      ADDRESS_TYPE: attack.addressType ?? 0,
      ATTRIBUTES: attack.attributes ?? 0,
      TRAFFIC_CLASS: attack.trafficClass ?? 0,
      STATUS: attack.status ?? 0,
      ROUTING: attack.routing ?? 0,
      FORGED: requester === undefined ? 0 : 1,
    });
    yield* setRegister(this.#registers, IDENTITY, { REQUESTER: requester ?? 0, TAG: attack.tag ?? 0 });
    yield* setRegister(this.#registers, ADDRESS, { ADDRESS: BigInt.asUintN(64, attack.address ?? 0n) });
    yield* setRegister(this.#registers, LENGTH, {
      LENGTH: attack.length ?? data?.length ?? 0,
      BYTE_COUNT: attack.byteCount ?? 0,
    });
    yield* setRegister(this.#registers, PASID, {
      PASID: pasid ?? 0,
      EXECUTE: attack.execute ? 1 : 0,
      PRIVILEGED: attack.privileged ? 1 : 0,
      VALID: pasid === undefined ? 0 : 1,
    });
    yield* setRegister(this.#registers, TARGET, {
      COMPLETER: attack.target ?? 0,
      MESSAGE_CODE: attack.messageCode ?? 0,
    });
    yield* setRegister(this.#registers, FLOOD, { COUNT: (attack.count ?? 1) - 1, STEP: attack.step ?? 0 });
    yield* setRegister(this.#registers, CONTROL, { START: 1, SILENT: this.#silent ? 1 : 0 });
    for (let waited = 0; waited < patience; waited += POLL_NANOSECONDS) {
      const loot = yield* this.loot();
      if (!loot.busy) return loot;
      yield* this.#registers.sleep(POLL_NANOSECONDS);
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
      yield* this.#registers.sleep(POLL_NANOSECONDS);
    }
    return undefined;
  }

  /** The data that the last completion brought. */
  *received(length: number): Blocking<Uint8Array> {
    const bytes = yield* this.#registers.read(RECEIVED_OFFSET, length);
    return typeof bytes === 'number' ? new Uint8Array(0) : bytes;
  }

  /** Whether Invalidate Requests are left without an answer. */
  silent(on: boolean): Blocking<number> {
    this.#silent = on;
    return setRegister(this.#registers, CONTROL, { SILENT: on ? 1 : 0 });
  }

  stop(): Blocking<number> {
    return setRegister(this.#registers, CONTROL, { STOP: 1, SILENT: this.#silent ? 1 : 0 });
  }

  *loot(): Blocking<Loot> {
    const words = new Uint32Array(RESPONSES.$.offset! / 4 + 1);
    for (let at = STATUS.$.offset! & -CHUNK; at < words.length * 4; at += CHUNK) {
      const bytes = yield* this.#registers.read(at, CHUNK);
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
}
