/**
 * The DMA engine of spec.ts, and the device to copy when a new one is written: a function, a register file, a behaviour.
 *
 * Surface: `function`, to be connected to a root complex; `spec`, `state`, `reset`. All else goes through its registers.
 *
 * Inaccuracies: registers and buffer answer at once; a transfer starts in the instant of the command.
 */

import { ATS, AtsRequester, type AtsState, type AtsTarget } from '../../ats/index.ts';
import { RegisterFile } from '../../bits/index.ts';
import {
  AddressType,
  type CapabilitySpecs,
  type ConfigSpec,
  type Device,
  DmaStatus,
  type FunctionBehaviour,
  PcieFunction,
  Requester,
  type Tlp,
  virtualFunction,
} from '../../pcie/index.ts';
import type { Component, Engine, Script } from '../../sim/index.ts';
import {
  ADDRESS,
  BUFFER_BYTES,
  BUFFER_OFFSET,
  COMMAND,
  DMA_ENGINE_BAR,
  DMA_ENGINE_BAR_BYTES,
  DMA_ENGINE_CLASS,
  DMA_ENGINE_DEVICE,
  DMA_ENGINE_REGISTERS,
  DMA_ENGINE_VENDOR,
  DMA_ENGINE_VIRTUAL_DEVICE,
  ErrorCode,
  FAULT_ADDRESS,
  ID,
  LENGTH,
  MAGIC,
  PASID,
  REGISTER_BYTES,
  REVISION,
  STATUS,
  TRANSFERRED,
} from './spec.ts';

export interface DmaEngineSpec {
  readonly name: string;
  /** Requester id. */
  readonly requester: number;
  /** Largest payload that it can handle: 128 to 4096 bytes. What it uses is programmed in its configuration space. */
  readonly payloadSupported: number;
  /** Reads that may be outstanding, up to 256. Software may allow fewer. */
  readonly tags: number;
  /** Width of the PASIDs that it can send, 1 to 20; 0 for a device without. */
  readonly pasidWidth?: number;
  /** It keeps translations in a device-TLB of this geometry; `null` for a device without ATS. */
  readonly deviceTlb?: { readonly sets: number; readonly ways: number } | null;
  /** Page requests that it can have outstanding; 0 for a device without. Only with a device-TLB. */
  readonly pageRequests?: number;
  /** Virtual functions that it can have (SR-IOV); 0 for a device without. Beyond function 7 they are reached by ARI. */
  readonly vfs?: number;
}

/** Not architectural. */
export const DMA_ENGINE = {
  payloadSupported: 512,
  tags: 32,
  pasidWidth: 0,
  deviceTlb: null,
  pageRequests: 0,
  vfs: 0,
} as const;

export interface DmaEngineState {
  transfers: number;
  /** Of a device with ATS. */
  readonly ats?: AtsState;
  /** The registers' words that are declared, by name. */
  readonly registers: Readonly<Record<string, number>>;
  /** Of a device with virtual functions, which are DMA engines themselves. */
  readonly virtual?: readonly DmaEngineState[];
}

/** Which virtual function an engine is, of which physical one. */
interface VirtualPlace {
  readonly physical: PcieFunction;
  readonly index: number;
}

const CONFIG = {
  vendor: DMA_ENGINE_VENDOR,
  device: DMA_ENGINE_DEVICE,
  revision: REVISION,
  classCode: DMA_ENGINE_CLASS,
  bars: [{ index: DMA_ENGINE_BAR, size: DMA_ENGINE_BAR_BYTES, wide: true, prefetchable: false }],
  msiVectors: 1,
} as const satisfies Partial<ConfigSpec>;

/** Its virtual functions are the next functions of the same device, as far as those go, and then of the next buses. */
const VIRTUAL = { firstOffset: 1, stride: 1, device: DMA_ENGINE_VIRTUAL_DEVICE, bars: CONFIG.bars } as const;

/** Without ARI. */
const LAST_FUNCTION = 7;

const ERROR_OF: Readonly<Record<number, number>> = {
  [DmaStatus.SUCCESS]: ErrorCode.NONE,
  [DmaStatus.UNSUPPORTED_REQUEST]: ErrorCode.UNSUPPORTED_REQUEST,
  [DmaStatus.COMPLETER_ABORT]: ErrorCode.COMPLETER_ABORT,
  [DmaStatus.NOT_MASTER]: ErrorCode.NOT_MASTER,
  [DmaStatus.TIMED_OUT]: ErrorCode.TIMED_OUT,
  [DmaStatus.NO_TRANSLATION]: ErrorCode.NO_TRANSLATION,
};

export class DmaEngine implements Component<DmaEngineSpec, DmaEngineState>, Device, FunctionBehaviour {
  readonly name: string;
  readonly spec: DmaEngineSpec;
  readonly function: PcieFunction;
  readonly dma: Requester;
  /** What stands between transfers and the requester, in a device with ATS. */
  readonly ats: AtsRequester | null;
  /** Its virtual functions: there while software has enabled them. */
  readonly virtual: readonly DmaEngine[];
  readonly #engine: Engine;
  readonly #registers = new RegisterFile(REGISTER_BYTES, DMA_ENGINE_REGISTERS);
  readonly #buffer = new Uint8Array(BUFFER_BYTES);
  #transfers = 0;
  /** Changes with each reset: a transfer of an earlier life must not go on. */
  #life = 0;

  /** `place` is for virtual functions, which a physical one makes. */
  constructor(engine: Engine, spec: DmaEngineSpec, place: VirtualPlace | null = null) {
    const { name, requester, payloadSupported, deviceTlb = null, vfs = 0 } = spec;
    this.name = name;
    this.spec = spec;
    const capabilities = capabilitiesOf(spec);
    this.function =
      place === null
        ? new PcieFunction({ ...CONFIG, name, requester, payloadSupported, capabilities }, this)
        : virtualFunction(place.physical, place.index, this);
    this.dma = new Requester(engine, this.function, spec);
    const atsSpec = deviceTlb && { ...ATS, tlb: { ...ATS.tlb, ...deviceTlb } };
    this.ats = atsSpec && new AtsRequester(engine, this.function, this.dma, atsSpec);
    this.dma.onMoved = (bytes) => this.#count(bytes);
    this.#engine = engine;
    this.#registers.initial(ID, { MAGIC, REVISION });
    this.#registers.onWrite(COMMAND.$.offset!, (written) => this.#command(written));
    this.virtual = Array.from({ length: place === null ? vfs : 0 }, (_, index) => {
      return new DmaEngine(engine, { ...spec, name: `${name}v${index}` }, { physical: this.function, index });
    });
  }

  get functions(): readonly PcieFunction[] {
    return [this.function, ...this.virtual.map((engine) => engine.function)];
  }

  get state(): DmaEngineState {
    const virtual = this.virtual.map(({ state }) => state);
    return {
      transfers: this.#transfers,
      ...(this.ats === null ? {} : { ats: this.ats.state }),
      registers: this.#registers.wordValues(DMA_ENGINE_REGISTERS),
      ...(virtual.length === 0 ? {} : { virtual }),
    };
  }

  memoryRead(_bar: number, offset: number, into: Uint8Array, length: number): void {
    if (offset < BUFFER_OFFSET) {
      this.#registers.readAligned(offset, into, length);
      return;
    }
    const from = offset - BUFFER_OFFSET;
    for (let i = 0; i < length; i++) into[i] = this.#buffer[from + i] ?? 0;
  }

  memoryWrite(_bar: number, offset: number, from: Uint8Array, length: number): void {
    if (offset < BUFFER_OFFSET) {
      this.#registers.writeAligned(offset, from, length);
      return;
    }
    // A typed array ignores what lies behind its end.
    for (let i = 0; i < length; i++) this.#buffer[offset - BUFFER_OFFSET + i] = from[i]!;
  }

  completion(tlp: Tlp): void {
    this.dma.completion(tlp);
  }

  message(tlp: Tlp): void {
    this.ats?.message(tlp);
  }

  functionLevelReset(): void {
    this.#life++;
    this.#transfers = 0;
    this.#registers.reset();
    this.#buffer.fill(0);
    this.dma.reset();
    this.ats?.reset();
  }

  reset(): void {
    for (const engine of this.virtual) engine.reset();
    this.functionLevelReset();
    this.function.reset();
  }

  #command(written: number): void {
    const { words } = this.#registers;
    const start = written & COMMAND.START.mask;
    if (start === 0 || STATUS.BUSY.isSet(words)) return;
    words[STATUS.$.offset! / 4] = STATUS.BUSY.mask;
    TRANSFERRED.BYTES.set(words, 0);
    this.#transfers++;
    this.#engine.spawn(this.#transfer(this.#life), `${this.name} transfer ${this.#transfers}`);
  }

  *#transfer(life: number): Script {
    if (life !== this.#life) return;
    const { words } = this.#registers;
    const length = LENGTH.LENGTH.get(words);
    const interrupt = COMMAND.INTERRUPT_ENABLE.isSet(words);
    const error = length > BUFFER_BYTES ? ErrorCode.BAD_LENGTH : ERROR_OF[yield* this.#move(length)]!;
    if (life !== this.#life) return;
    STATUS.BUSY.set(words, 0);
    STATUS.DONE.set(words, 1);
    STATUS.ERROR.set(words, error === ErrorCode.NONE ? 0 : 1);
    STATUS.ERROR_CODE.set(words, error);
    if (error === ErrorCode.NO_TRANSLATION) this.#noteFault();
    if (interrupt) yield* this.function.interrupt(0);
  }

  *#move(length: number): Script<number> {
    const buffer = this.#buffer.subarray(0, length);
    const target = this.#target();
    const dma = target.addressType === AddressType.UNTRANSLATED ? (this.ats ?? this.dma) : this.dma;
    if (COMMAND.WRITE.isSet(this.#registers.words)) return yield* dma.write(target, buffer);
    return (yield* dma.read(target, length, buffer)).status;
  }

  /** What was moved says where it stopped. */
  #noteFault(): void {
    const { words } = this.#registers;
    FAULT_ADDRESS.ADDRESS.setBig(words, ADDRESS.ADDRESS.big(words) + BigInt(TRANSFERRED.BYTES.get(words)));
  }

  /** Where the registers send a transfer, and as whom. */
  #target(): AtsTarget {
    const { words } = this.#registers;
    const at = ADDRESS.$.offset! / 4;
    return {
      hi: words[at + 1]! | 0,
      lo: words[at]! | 0,
      pasid: PASID.VALID.isSet(words) ? PASID.PASID.get(words) : undefined,
      privileged: PASID.PRIVILEGED.isSet(words),
      execute: PASID.EXECUTE.isSet(words),
      addressType: COMMAND.ADDRESS_TYPE.get(words),
      onFault: COMMAND.REQUEST_PAGES.isSet(words) ? 'request page' : 'fail',
    };
  }

  #count(bytes: number): void {
    const { words } = this.#registers;
    TRANSFERRED.BYTES.set(words, TRANSFERRED.BYTES.get(words) + bytes);
  }
}

function capabilitiesOf(spec: DmaEngineSpec): CapabilitySpecs {
  const { requester, pasidWidth = 0, deviceTlb = null, pageRequests = 0, vfs = 0 } = spec;
  const own = deviceTlb === null ? {} : { ats: { queueDepth: 32, pageAligned: true, globalInvalidate: true } };
  return {
    ...own,
    ...((requester & LAST_FUNCTION) + vfs > LAST_FUNCTION ? { ari: { nextFunction: 0 } } : {}),
    ...(deviceTlb === null || pageRequests === 0 ? {} : { pri: { capacity: pageRequests } }),
    ...(pasidWidth === 0 ? {} : { pasid: { width: pasidWidth, privileged: true, execute: true } }),
    ...(vfs === 0 ? {} : { sriov: { ...VIRTUAL, totalVfs: vfs, capabilities: own } }),
  };
}
