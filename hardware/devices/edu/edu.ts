/**
 * The educational device of spec.ts, with which cases were recorded on another implementation.
 *
 * Surface: `function`, to be connected to a root complex; `spec`, `state`, `reset`. All else goes through its registers.
 *
 * Inaccuracies: a factorial takes a nanosecond for each number that is multiplied; a DMA happens at the end of its time, at the
 * speed of the link; what could not be read leaves the buffer as it was.
 */
import { RegisterFile, wordAt } from '../../bits/index.ts';
import {
  type ConfigSpec,
  type Device,
  type DmaTarget,
  type FunctionBehaviour,
  PcieFunction,
  Requester,
  type Tlp,
} from '../../pcie/index.ts';
import { type Component, type Engine, ms, ns, type Script } from '../../sim/index.ts';
import {
  BUFFER_AT,
  BUFFER_BYTES,
  DMA_COMMAND,
  DMA_COUNT,
  DMA_DESTINATION,
  DMA_SOURCE,
  EDU_BAR,
  EDU_BAR_BYTES,
  EDU_CLASS,
  EDU_DEVICE,
  EDU_REGISTERS,
  EDU_REVISION,
  EDU_VENDOR,
  FACTORIAL,
  ID,
  INTERRUPT_ACKNOWLEDGE,
  INTERRUPT_RAISE,
  INTERRUPT_STATUS,
  InterruptCause,
  LIVENESS,
  MAGIC,
  MAJOR,
  REGISTER_BYTES,
  STATUS,
  WIDE_REGISTERS,
} from './spec.ts';

export interface EduSpec {
  readonly name: string;
  /** Requester id. */
  readonly requester: number;
  /** Bits of an address that DMA can express: the others are cleared. */
  readonly addressBits: number;
  /** Milliseconds of a DMA. */
  readonly dmaTime: number;
}

/** As it is delivered. */
export const EDU = { addressBits: 28, dmaTime: 100 } as const;

export interface EduState {
  /** The registers' words that are declared, by name. */
  readonly registers: Readonly<Record<string, number>>;
}

const CONFIG = {
  vendor: EDU_VENDOR,
  device: EDU_DEVICE,
  revision: EDU_REVISION,
  classCode: EDU_CLASS,
  bars: [{ index: EDU_BAR, size: EDU_BAR_BYTES, wide: false, prefetchable: false }],
  msiVectors: 1,
  payloadSupported: 128,
  conventional: true,
} as const satisfies Partial<ConfigSpec>;

const TAGS = 32;
/** The product of this many numbers in a row, and of more, is 0 modulo 2^32. */
const FACTORS = 34;
const READABLE: ReadonlySet<number> = new Set(
  EDU_REGISTERS.filter(({ $ }) => $.fields.some(({ spec }) => spec.access !== 'WO')).map(({ $ }) => $.offset!),
);

export class Edu implements Component<EduSpec, EduState>, Device, FunctionBehaviour {
  readonly name: string;
  readonly spec: EduSpec;
  readonly function: PcieFunction;
  readonly dma: Requester;
  readonly #engine: Engine;
  readonly #registers = new RegisterFile(REGISTER_BYTES, EDU_REGISTERS);
  readonly #buffer = new Uint8Array(BUFFER_BYTES);
  /** Changes with each reset: what was begun in an earlier life must not go on. */
  #life = 0;

  constructor(engine: Engine, spec: EduSpec) {
    const { name, requester } = spec;
    this.name = name;
    this.spec = spec;
    this.function = new PcieFunction({ ...CONFIG, name, requester }, this);
    this.dma = new Requester(engine, this.function, { tags: TAGS });
    this.#engine = engine;
    const registers = this.#registers;
    registers.initial(ID, { MAGIC, MAJOR });
    registers.onWrite(LIVENESS.$.offset!, (written) => LIVENESS.VALUE.set(registers.words, ~written >>> 0));
    registers.onWrite(FACTORIAL.$.offset!, (written) => {
      STATUS.COMPUTING.set(registers.words, 1);
      registers.lock(FACTORIAL.$.offset!, 1, true);
      this.#spawn(this.#factorial(written, this.#life));
    });
    registers.onWrite(INTERRUPT_RAISE.$.offset!, (written) => this.#spawn(this.#raise(written)));
    registers.onWrite(INTERRUPT_ACKNOWLEDGE.$.offset!, (written) => {
      const causes = INTERRUPT_STATUS.CAUSES.get(registers.words);
      INTERRUPT_STATUS.CAUSES.set(registers.words, (causes & ~written) >>> 0);
    });
    registers.onWrite(DMA_COMMAND.$.offset!, () => {
      this.#lockDma(true);
      this.#spawn(this.#transfer(this.#life));
    });
  }

  get functions(): readonly PcieFunction[] {
    return [this.function];
  }

  get state(): EduState {
    return { registers: this.#registers.wordValues(EDU_REGISTERS) };
  }

  memoryRead(_bar: number, offset: number, into: Uint8Array, length: number): void {
    if (isAccess(offset, length) && READABLE.has(offset)) this.#registers.readAligned(offset, into, length);
    else into.fill(0xff, 0, length);
  }

  memoryWrite(_bar: number, offset: number, from: Uint8Array, length: number): void {
    if (!isAccess(offset, length)) return;
    const lo = wordAt(from, 0);
    if (offset === DMA_COMMAND.$.offset && (lo & DMA_COMMAND.RUN.mask) === 0) return;
    if (offset < WIDE_REGISTERS) this.#registers.write32(offset, lo);
    else this.#registers.write64(offset, lo, length === 8 ? wordAt(from, 4) : 0);
  }

  completion(tlp: Tlp): void {
    this.dma.completion(tlp);
  }

  reset(): void {
    this.#life++;
    this.#registers.reset();
    this.#buffer.fill(0);
    this.dma.reset();
    this.function.reset();
  }

  #spawn(script: Script): void {
    this.#engine.spawn(script, this.name);
  }

  *#raise(causes: number): Script {
    const { words } = this.#registers;
    const all = (INTERRUPT_STATUS.CAUSES.get(words) | causes) >>> 0;
    INTERRUPT_STATUS.CAUSES.set(words, all);
    if (all !== 0) yield* this.function.interrupt(0);
  }

  *#factorial(of: number, life: number): Script {
    yield ns(of);
    if (life !== this.#life) return;
    const { words } = this.#registers;
    FACTORIAL.VALUE.set(words, of >= FACTORS ? 0 : product(of));
    STATUS.COMPUTING.set(words, 0);
    this.#registers.lock(FACTORIAL.$.offset!, 1, false);
    if (STATUS.INTERRUPT_ON_FACTORIAL.isSet(words)) yield* this.#raise(InterruptCause.FACTORIAL);
  }

  *#transfer(life: number): Script {
    yield ms(this.spec.dmaTime);
    if (life !== this.#life) return;
    yield* this.#move();
    if (life !== this.#life) return;
    const { words } = this.#registers;
    this.#lockDma(false);
    DMA_COMMAND.RUN.set(words, 0);
    if (DMA_COMMAND.INTERRUPT.isSet(words)) yield* this.#raise(InterruptCause.DMA);
  }

  #lockDma(locked: boolean): void {
    this.#registers.lock(WIDE_REGISTERS, (REGISTER_BYTES - WIDE_REGISTERS) / 4, locked);
  }

  /** Moves what the registers say; nothing, where the device's side is not in the buffer. */
  *#move(): Script {
    const toMemory = DMA_COMMAND.TO_MEMORY.isSet(this.#registers.words);
    const inside = this.#halves((toMemory ? DMA_SOURCE : DMA_DESTINATION).$.offset!);
    const count = this.#halves(DMA_COUNT.$.offset!);
    const start = (inside.lo >>> 0) - BUFFER_AT;
    const end = start + (count.lo >>> 0);
    if (inside.hi !== 0 || count.hi !== 0 || start < 0 || end > BUFFER_BYTES || end === start) return;
    const target = this.#target((toMemory ? DMA_DESTINATION : DMA_SOURCE).$.offset!);
    const bytes = this.#buffer.subarray(start, end);
    if (toMemory) yield* this.dma.write(target, bytes);
    else yield* this.dma.read(target, bytes.length, bytes);
  }

  #halves(offset: number): { readonly hi: number; readonly lo: number } {
    return { hi: this.#registers.read32(offset + 4), lo: this.#registers.read32(offset) };
  }

  #target(offset: number): DmaTarget {
    const { hi, lo } = this.#halves(offset);
    const { addressBits } = this.spec;
    return { hi: lowBits(hi, addressBits - 32), lo: lowBits(lo, addressBits) };
  }
}

/** An access of a size that the register at `offset` can have. */
function isAccess(offset: number, length: number): boolean {
  if (offset < WIDE_REGISTERS) return length === 4 && offset % 4 === 0;
  return (length === 4 || length === 8) && offset % 8 === 0;
}

function lowBits(word: number, bits: number): number {
  if (bits >= 32) return word | 0;
  return bits <= 0 ? 0 : word & ((1 << bits) - 1);
}

function product(of: number): number {
  let result = 1;
  for (let factor = of; factor > 0; factor--) result = Math.imul(result, factor);
  return result >>> 0;
}
