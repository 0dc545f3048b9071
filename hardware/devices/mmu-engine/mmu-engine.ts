/**
 * A DMA engine with an MMU of its own (spec.ts): the engine's transfers, and an MMU between them and the link.
 *
 * Surface: `function`, to be connected to a root complex; `spec`, `state`, `reset`. All else goes through its registers.
 *
 * Inaccuracies: as of its two parts.
 */
import { PAGE_SIZE } from '../../bits/index.ts';
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
import { Mmu, type MmuCounts, type MmuSpec } from './mmu.ts';
import {
  MMU_BAR,
  MMU_BAR_BYTES,
  MMU_ENGINE_DEVICE,
  MMU_MSIX_PENDING_AT,
  MMU_MSIX_TABLE_AT,
  MmuEngineVector,
  TABLE_MEMORY_BAR,
} from './spec.ts';

export interface MmuEngineSpec extends MmuSpec {
  readonly name: string;
  /** Requester id. */
  readonly requester: number;
  /** Largest payload that it can handle: 128 to 4096 bytes. What it uses is programmed in its configuration space. */
  readonly payloadSupported: number;
  /** Reads that may be outstanding, up to 256. Software may allow fewer. */
  readonly tags: number;
}

/** Not architectural. */
export const MMU_ENGINE = { payloadSupported: 512, tags: 32, tablePages: 64, tlbEntries: 16, tableRead: 20 } as const;

export interface MmuEngineState extends TransfersState {
  readonly mmu: MmuCounts & {
    /** I/O virtual pages whose translation is kept. */
    readonly kept: readonly number[];
    /** The registers' words that are declared, by name. */
    readonly registers: Readonly<Record<string, number>>;
  };
}

const CONFIG = {
  vendor: DMA_ENGINE_VENDOR,
  device: MMU_ENGINE_DEVICE,
  revision: REVISION,
  classCode: DMA_ENGINE_CLASS,
  msiVectors: 0,
  pciExpress: { flr: true },
  capabilities: {
    msix: {
      vectors: Object.keys(MmuEngineVector).length,
      table: { bar: MMU_BAR, offset: MMU_MSIX_TABLE_AT },
      pending: { bar: MMU_BAR, offset: MMU_MSIX_PENDING_AT },
    },
  },
} as const satisfies Partial<ConfigSpec>;

export class MmuEngine implements Component<MmuEngineSpec, MmuEngineState>, Device, FunctionBehaviour {
  readonly name: string;
  readonly spec: MmuEngineSpec;
  readonly function: PcieFunction;
  readonly dma: Requester;
  readonly mmu: Mmu;
  readonly #transfers: Transfers;

  constructor(engine: Engine, spec: MmuEngineSpec) {
    const { name, requester, payloadSupported, tablePages } = spec;
    this.name = name;
    this.spec = spec;
    const bars = [
      { index: DMA_ENGINE_BAR, size: DMA_ENGINE_BAR_BYTES, wide: true, prefetchable: false },
      { index: MMU_BAR, size: MMU_BAR_BYTES, wide: true, prefetchable: false },
      { index: TABLE_MEMORY_BAR, size: tablePages * PAGE_SIZE, wide: true, prefetchable: false },
    ];
    this.function = new PcieFunction({ ...CONFIG, bars, name, requester, payloadSupported }, this);
    this.dma = new Requester(engine, this.function, spec);
    this.mmu = new Mmu(engine, this.function, this.dma, spec);
    this.#transfers = new Transfers(engine, this.function, () => this.mmu);
    this.dma.onMoved = (bytes) => this.#transfers.count(bytes);
  }

  get functions(): readonly PcieFunction[] {
    return [this.function];
  }

  get state(): MmuEngineState {
    const { counts, kept, registers } = this.mmu;
    return { ...this.#transfers.state, mmu: { ...counts, kept, registers } };
  }

  memoryRead(bar: number, offset: number, into: Uint8Array, length: number): void {
    if (bar === MMU_BAR) this.mmu.registerRead(offset, into, length);
    else if (bar === TABLE_MEMORY_BAR) this.mmu.tableRead(offset, into, length);
    else this.#transfers.memoryRead(offset, into, length);
  }

  memoryWrite(bar: number, offset: number, from: Uint8Array, length: number): void {
    if (bar === MMU_BAR) this.mmu.registerWrite(offset, from, length);
    else if (bar === TABLE_MEMORY_BAR) this.mmu.tableWrite(offset, from, length);
    else this.#transfers.memoryWrite(offset, from, length);
  }

  completion(tlp: Tlp): void {
    this.dma.completion(tlp);
  }

  functionLevelReset(): void {
    this.#transfers.reset();
    this.dma.reset();
    this.mmu.forget();
  }

  reset(): void {
    this.#transfers.reset();
    this.dma.reset();
    this.mmu.reset();
    this.function.reset();
  }
}
