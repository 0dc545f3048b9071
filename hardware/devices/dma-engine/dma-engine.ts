/**
 * The DMA engine of spec.ts, and the device to copy when a new one is written: a function, a register file, a behaviour.
 *
 * Surface: `function`, to be connected to a root complex; `spec`, `state`, `reset`. All else goes through its registers.
 *
 * Inaccuracies: registers and buffer answer at once; a transfer starts in the instant of the command.
 */

import { ATS, AtsRequester, type AtsState } from '../../ats/index.ts';
import {
  AddressType,
  type CapabilitySpecs,
  type ConfigSpec,
  type Device,
  type FunctionBehaviour,
  PcieFunction,
  Requester,
  type Tlp,
  virtualFunction,
} from '../../pcie/index.ts';
import type { Component, Engine } from '../../sim/index.ts';
import {
  DMA_ENGINE_BAR,
  DMA_ENGINE_BAR_BYTES,
  DMA_ENGINE_CLASS,
  DMA_ENGINE_DEVICE,
  DMA_ENGINE_VENDOR,
  DMA_ENGINE_VIRTUAL_DEVICE,
  REVISION,
} from './spec.ts';
import { Transfers, type TransfersState } from './transfers.ts';

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

export interface DmaEngineState extends TransfersState {
  /** Of a device with ATS. */
  readonly ats?: AtsState;
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

export class DmaEngine implements Component<DmaEngineSpec, DmaEngineState>, Device, FunctionBehaviour {
  readonly name: string;
  readonly spec: DmaEngineSpec;
  readonly function: PcieFunction;
  readonly dma: Requester;
  /** What stands between transfers and the requester, in a device with ATS. */
  readonly ats: AtsRequester | null;
  /** Its virtual functions: there while software has enabled them. */
  readonly virtual: readonly DmaEngine[];
  readonly #transfers: Transfers;

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
    this.#transfers = new Transfers(engine, this.function, ({ addressType }) =>
      addressType === AddressType.UNTRANSLATED ? (this.ats ?? this.dma) : this.dma,
    );
    this.dma.onMoved = (bytes) => this.#transfers.count(bytes);
    this.virtual = Array.from({ length: place === null ? vfs : 0 }, (_, index) => {
      return new DmaEngine(engine, { ...spec, name: `${name}v${index}` }, { physical: this.function, index });
    });
  }

  get functions(): readonly PcieFunction[] {
    return [this.function, ...this.virtual.map((engine) => engine.function)];
  }

  get state(): DmaEngineState {
    const virtual = this.virtual.map(({ state }) => state);
    const { transfers, registers } = this.#transfers.state;
    return {
      transfers,
      ...(this.ats === null ? {} : { ats: this.ats.state }),
      registers,
      ...(virtual.length === 0 ? {} : { virtual }),
    };
  }

  memoryRead(_bar: number, offset: number, into: Uint8Array, length: number): void {
    this.#transfers.memoryRead(offset, into, length);
  }

  memoryWrite(_bar: number, offset: number, from: Uint8Array, length: number): void {
    this.#transfers.memoryWrite(offset, from, length);
  }

  completion(tlp: Tlp): void {
    this.dma.completion(tlp);
  }

  message(tlp: Tlp): void {
    this.ats?.message(tlp);
  }

  functionLevelReset(): void {
    this.#transfers.reset();
    this.dma.reset();
    this.ats?.reset();
  }

  reset(): void {
    for (const engine of this.virtual) engine.reset();
    this.functionLevelReset();
    this.function.reset();
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
