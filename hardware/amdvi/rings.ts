/**
 * The rings in memory that unit and software share, as their registers describe them: a base, a length, and the byte
 * offsets of head and tail.
 */
import type { AnyLayout, Field, RegisterFile } from '../bits/index.ts';
import * as spec from './spec/index.ts';

export interface RingRegisters {
  readonly base: AnyLayout;
  readonly address: Field;
  readonly length: Field;
  readonly headRegister: AnyLayout;
  readonly head: Field;
  readonly tailRegister: AnyLayout;
  readonly tail: Field;
  readonly entryBytes: number;
}

const ENTRY_BYTES = 16;
const GA_ENTRY_BYTES = 8;
/** Smaller length codes are reserved. */
const SHORTEST = 8;

export const RINGS = {
  COMMAND: ring(
    spec.COMMAND_BUFFER_BASE,
    spec.COMMAND_BUFFER_BASE.ComBase,
    spec.COMMAND_BUFFER_BASE.ComLen,
    [spec.COMMAND_HEAD, spec.COMMAND_HEAD.CmdHdptr],
    [spec.COMMAND_TAIL, spec.COMMAND_TAIL.CmdTailptr],
  ),
  EVENT: ring(
    spec.EVENT_LOG_BASE,
    spec.EVENT_LOG_BASE.EventBase,
    spec.EVENT_LOG_BASE.EventLen,
    [spec.EVENT_HEAD, spec.EVENT_HEAD.EventHdptr],
    [spec.EVENT_TAIL, spec.EVENT_TAIL.EventTailptr],
  ),
  EVENT_B: ring(
    spec.EVENT_LOG_B_BASE,
    spec.EVENT_LOG_B_BASE.EventBase,
    spec.EVENT_LOG_B_BASE.EventLen,
    [spec.EVENT_B_HEAD, spec.EVENT_B_HEAD.EventHdptr],
    [spec.EVENT_B_TAIL, spec.EVENT_B_TAIL.EventTailptr],
  ),
  PPR: ring(
    spec.PPR_LOG_BASE,
    spec.PPR_LOG_BASE.PPRLogBase,
    spec.PPR_LOG_BASE.PPRLogLen,
    [spec.PPR_HEAD, spec.PPR_HEAD.PPRHdptr],
    [spec.PPR_TAIL, spec.PPR_TAIL.PPRTailptr],
  ),
  PPR_B: ring(
    spec.PPR_LOG_B_BASE,
    spec.PPR_LOG_B_BASE.PPRLogBase,
    spec.PPR_LOG_B_BASE.PPRLogLen,
    [spec.PPR_B_HEAD, spec.PPR_B_HEAD.PPRHdptr],
    [spec.PPR_B_TAIL, spec.PPR_B_TAIL.PPRTailptr],
  ),
  GA: {
    ...ring(
      spec.GA_LOG_BASE,
      spec.GA_LOG_BASE.GALogBase,
      spec.GA_LOG_BASE.GALogLen,
      [spec.GA_HEAD, spec.GA_HEAD.GAHdptr],
      [spec.GA_TAIL, spec.GA_TAIL.GATailptr],
    ),
    entryBytes: GA_ENTRY_BYTES,
  },
} as const satisfies Readonly<Record<string, RingRegisters>>;

function ring(
  base: AnyLayout,
  address: Field,
  length: Field,
  [headRegister, head]: readonly [AnyLayout, Field],
  [tailRegister, tail]: readonly [AnyLayout, Field],
): RingRegisters {
  return { base, address, length, headRegister, head, tailRegister, tail, entryBytes: ENTRY_BYTES };
}

export class Ring {
  readonly registers: RingRegisters;
  readonly #words: Uint32Array;

  constructor(file: RegisterFile, registers: RingRegisters) {
    this.registers = registers;
    this.#words = file.words;
  }

  /** False while the length code is a reserved one: the ring cannot be used. */
  get isValid(): boolean {
    return this.registers.length.get(this.#words) >= SHORTEST;
  }

  get bytes(): number {
    return this.registers.entryBytes * 2 ** this.registers.length.get(this.#words);
  }

  /** Address of the first entry. */
  get start(): number {
    return this.registers.address.address(this.#words);
  }

  /** Offsets beyond the ring, which are undefined, count modulo its size. */
  get head(): number {
    return this.registers.head.address(this.#words) % this.bytes;
  }

  set head(offset: number) {
    this.registers.head.setAddress(this.#words, offset);
  }

  get tail(): number {
    return this.registers.tail.address(this.#words) % this.bytes;
  }

  set tail(offset: number) {
    this.registers.tail.setAddress(this.#words, offset);
  }

  /** The offset of the entry behind the one at `offset`. */
  after(offset: number): number {
    return (offset + this.registers.entryBytes) % this.bytes;
  }
}
