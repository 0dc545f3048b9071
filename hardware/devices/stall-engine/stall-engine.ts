/**
 * A DMA engine that tells of missing pages in its own way (spec.ts): the engine's transfers, its translations, and what stops it
 * between them.
 *
 * Surface: `function`, to be connected to a root complex; `spec`, `state`, `reset`. All else goes through its registers.
 *
 * Inaccuracies: as of its parts. The pages of a transfer are moved one after the other.
 */
import { ATS, AtsRequester, type AtsState } from '../../ats/index.ts';
import {
  type ConfigSpec,
  type Device,
  type FunctionBehaviour,
  PcieFunction,
  Requester,
  type Tlp,
} from '../../pcie/index.ts';
import type { Component, Engine } from '../../sim/index.ts';
import {
  DMA_ENGINE_BAR,
  DMA_ENGINE_BAR_BYTES,
  DMA_ENGINE_CLASS,
  DMA_ENGINE_VENDOR,
  REVISION,
  Transfers,
  type TransfersState,
} from '../dma-engine/index.ts';
import {
  STALL_BAR,
  STALL_BAR_BYTES,
  STALL_ENGINE_DEVICE,
  STALL_MSIX_PENDING_AT,
  STALL_MSIX_TABLE_AT,
  StallEngineVector,
} from './spec.ts';
import { type StallCounts, Stalls } from './stalls.ts';

export interface StallEngineSpec {
  readonly name: string;
  /** Requester id. */
  readonly requester: number;
  /** Largest payload that it can handle: 128 to 4096 bytes. What it uses is programmed in its configuration space. */
  readonly payloadSupported: number;
  /** Reads that may be outstanding, up to 256. Software may allow fewer. */
  readonly tags: number;
  /** Width of the PASIDs that it can send, 1 to 20; 0 for a device without. */
  readonly pasidWidth: number;
  /** Geometry of its device-TLB. */
  readonly deviceTlb: { readonly sets: number; readonly ways: number };
}

/** Not architectural. */
export const STALL_ENGINE = {
  payloadSupported: 512,
  tags: 32,
  pasidWidth: 0,
  deviceTlb: { sets: 16, ways: 4 },
} as const;

export interface StallEngineState extends TransfersState {
  readonly ats: AtsState;
  readonly stalls: StallCounts & {
    /** The registers' words that are declared, by name. */
    readonly registers: Readonly<Record<string, number>>;
  };
}

const CONFIG = {
  vendor: DMA_ENGINE_VENDOR,
  device: STALL_ENGINE_DEVICE,
  revision: REVISION,
  classCode: DMA_ENGINE_CLASS,
  bars: [
    { index: DMA_ENGINE_BAR, size: DMA_ENGINE_BAR_BYTES, wide: true, prefetchable: false },
    { index: STALL_BAR, size: STALL_BAR_BYTES, wide: true, prefetchable: false },
  ],
  msiVectors: 0,
  pciExpress: { flr: true },
} as const satisfies Partial<ConfigSpec>;

const CAPABILITIES = {
  ats: { queueDepth: 32, pageAligned: true, globalInvalidate: true },
  msix: {
    vectors: Object.keys(StallEngineVector).length,
    table: { bar: STALL_BAR, offset: STALL_MSIX_TABLE_AT },
    pending: { bar: STALL_BAR, offset: STALL_MSIX_PENDING_AT },
  },
} as const;

export class StallEngine implements Component<StallEngineSpec, StallEngineState>, Device, FunctionBehaviour {
  readonly name: string;
  readonly spec: StallEngineSpec;
  readonly function: PcieFunction;
  readonly dma: Requester;
  readonly ats: AtsRequester;
  readonly stalls: Stalls;
  readonly #transfers: Transfers;

  constructor(engine: Engine, spec: StallEngineSpec) {
    const { name, requester, payloadSupported, pasidWidth, deviceTlb } = spec;
    this.name = name;
    this.spec = spec;
    const pasid = pasidWidth === 0 ? {} : { pasid: { width: pasidWidth, privileged: true, execute: true } };
    const config = { ...CONFIG, name, requester, payloadSupported, capabilities: { ...CAPABILITIES, ...pasid } };
    this.function = new PcieFunction(config, this);
    this.dma = new Requester(engine, this.function, spec);
    this.ats = new AtsRequester(engine, this.function, this.dma, { ...ATS, tlb: { ...ATS.tlb, ...deviceTlb } });
    this.stalls = new Stalls(engine, this.function, this.ats);
    this.#transfers = new Transfers(engine, this.function, () => this.stalls);
    this.dma.onMoved = (bytes) => this.#transfers.count(bytes);
  }

  get functions(): readonly PcieFunction[] {
    return [this.function];
  }

  get state(): StallEngineState {
    const { counts, registers } = this.stalls;
    return { ...this.#transfers.state, ats: this.ats.state, stalls: { ...counts, registers } };
  }

  memoryRead(bar: number, offset: number, into: Uint8Array, length: number): void {
    if (bar === STALL_BAR) this.stalls.registerRead(offset, into, length);
    else this.#transfers.memoryRead(offset, into, length);
  }

  memoryWrite(bar: number, offset: number, from: Uint8Array, length: number): void {
    if (bar === STALL_BAR) this.stalls.registerWrite(offset, from, length);
    else this.#transfers.memoryWrite(offset, from, length);
  }

  completion(tlp: Tlp): void {
    this.dma.completion(tlp);
  }

  message(tlp: Tlp): void {
    this.ats.message(tlp);
  }

  functionLevelReset(): void {
    this.#transfers.reset();
    this.stalls.forget();
    this.dma.reset();
    this.ats.reset();
  }

  reset(): void {
    this.#transfers.reset();
    this.stalls.reset();
    this.dma.reset();
    this.ats.reset();
    this.function.reset();
  }
}
