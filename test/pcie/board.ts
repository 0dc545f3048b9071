/** A small board: memory, a root complex, and what a test plugs in. The CPU is the test. */

import { DMA_ENGINE, DmaEngine } from '../../hardware/devices/dma-engine/index.ts';
import { BUFFER_OFFSET } from '../../hardware/devices/dma-engine/spec.ts';
import { MemoryController, PhysicalMemory } from '../../hardware/memory/index.ts';
import {
  COMMAND_STATUS,
  LINK,
  type Link,
  type LinkSpec,
  ROOT_COMPLEX,
  RootComplex,
  type RootComplexSpec,
  type SizeCode,
  type TranslationAgent,
  type TranslationRequest,
} from '../../hardware/pcie/index.ts';
import { Engine, type Script } from '../../hardware/sim/index.ts';

export const MIB = 2 ** 20;
export const RID = 0x0008;
export const BAR = 0xfe00_0000;
export const PCIE_AT = 0x40;
export const MSI_AT = 0x80;

export interface BoardOptions {
  readonly link?: Partial<LinkSpec>;
  readonly rootComplex?: Partial<RootComplexSpec>;
}

export class Board {
  readonly engine = new Engine();
  readonly memory = new PhysicalMemory([[0, 16 * MIB]]);
  readonly controller = new MemoryController(this.engine, this.memory, { latency: 100, bytesPerNanosecond: 16 });
  readonly rootComplex: RootComplex;
  readonly dma: DmaEngine;
  readonly link: Link;
  readonly interrupts: { address: number; data: number; at: number }[] = [];

  constructor({ link, rootComplex }: BoardOptions = {}) {
    this.rootComplex = new RootComplex(this.engine, this.controller, { ...ROOT_COMPLEX, ...rootComplex });
    this.dma = new DmaEngine(this.engine, { ...DMA_ENGINE, name: 'dma0', requester: RID });
    this.link = this.rootComplex.connect({ ...LINK, ...link }, [this.dma.function]);
    this.rootComplex.onInterrupt = (address, data) => {
      this.interrupts.push({ address, data, at: this.engine.now });
    };
  }

  /** Runs a script to its end. What it started may go on. */
  run<T>(script: Script<T>): T {
    return this.engine.runUntilDone(this.engine.spawn(script));
  }

  /** What firmware and a driver do: place the base address, enable memory and bus mastering, set sizes. */
  bringUp({
    busMaster = true,
    payload = 1,
    readRequest = 2,
  }: {
    busMaster?: boolean;
    payload?: Size;
    readRequest?: Size;
  } = {}): this {
    const { rootComplex } = this;
    const control = PCIE_AT + 8;
    this.run(
      (function* () {
        yield* rootComplex.configWrite(RID, 0x10, 4, BAR);
        yield* rootComplex.configWrite(RID, 0x14, 4, 0);
        yield* rootComplex.configWrite(RID, COMMAND_STATUS.$.offset!, 2, busMaster ? 0b110 : 0b010);
        yield* rootComplex.configWrite(RID, control, 2, (payload << 5) | (readRequest << 12));
      })(),
    );
    return this;
  }

  /** Points MSI vector 0 at the local APIC's range. */
  enableMsi(address = 0xfee0_0000, data = 0x41): this {
    const { rootComplex } = this;
    this.run(
      (function* () {
        yield* rootComplex.configWrite(RID, MSI_AT + 4, 4, address);
        yield* rootComplex.configWrite(RID, MSI_AT + 8, 4, 0);
        yield* rootComplex.configWrite(RID, MSI_AT + 12, 2, data);
        yield* rootComplex.configWrite(RID, MSI_AT + 2, 2, 1);
      })(),
    );
    return this;
  }

  /** Starts a transfer with the registers' values, and lets everything happen. Gives STATUS. */
  transfer({ address, length, command, pasid = 0 }: Transfer): number {
    const { rootComplex } = this;
    this.run(
      (function* () {
        yield* rootComplex.mmioWrite(BAR + 0x08, 8, address);
        yield* rootComplex.mmioWrite(BAR + 0x10, 4, BigInt(length));
        yield* rootComplex.mmioWrite(BAR + 0x14, 4, BigInt(pasid));
        yield* rootComplex.mmioWrite(BAR + 0x18, 4, BigInt(command));
      })(),
    );
    this.engine.run();
    return Number(this.run(rootComplex.mmioRead(BAR + 0x1c, 4)));
  }

  /** Fills the device's buffer through its base address, 8 bytes at a time. */
  fill(bytes: Uint8Array): void {
    const { rootComplex } = this;
    const view = new DataView(bytes.buffer);
    this.run(
      (function* () {
        for (let i = 0; i < bytes.length; i += 8) {
          yield* rootComplex.mmioWrite(BAR + BUFFER_OFFSET + i, 8, view.getBigUint64(i, true));
        }
      })(),
    );
    this.engine.run();
  }

  /** The device's buffer as the CPU reads it. */
  buffer(length: number): Uint8Array {
    const { rootComplex } = this;
    const bytes = new Uint8Array(length);
    const view = new DataView(bytes.buffer);
    this.run(
      (function* () {
        for (let i = 0; i < length; i += 8) {
          view.setBigUint64(i, yield* rootComplex.mmioRead(BAR + BUFFER_OFFSET + i, 8), true);
        }
      })(),
    );
    return bytes;
  }

  reset(): void {
    this.engine.reset();
    this.memory.reset();
    this.controller.reset();
    this.rootComplex.reset();
    this.dma.reset();
    this.interrupts.length = 0;
  }

  /** Everything that a component shows, for comparison. */
  snapshot(): unknown {
    const { controller, dma, link, rootComplex } = this;
    return structuredClone([controller, dma, dma.function, link, rootComplex].map(({ name, state }) => [name, state]));
  }
}

export type Size = (typeof SizeCode)[keyof typeof SizeCode];

export interface Transfer {
  readonly address: bigint;
  readonly length: number;
  readonly command: number;
  readonly pasid?: number;
}

export const START_READ = 0b001;
export const START_WRITE = 0b011;
export const WITH_INTERRUPT = 0b100;

/** Bytes that differ from their neighbours and from 0. */
export function pattern(length: number, seed = 1): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => ((i * 7 + seed * 31) % 255) + 1);
}

/** An agent that answers when and how a test says. */
export class ScriptedAgent implements TranslationAgent {
  readonly name = 'agent';
  readonly seen: TranslationRequest[] = [];
  answers: (request: TranslationRequest) => void = () => {};
  /** Most requests that it held at a time. */
  most = 0;
  #held = 0;
  /** Requests that it still takes. */
  credits = Infinity;
  readonly requests: TranslationAgent['requests'];

  constructor(receive: (request: TranslationRequest, answer: () => void) => void) {
    const agent = this;
    this.requests = {
      onFree: () => {},
      get canSend() {
        return agent.credits > 0;
      },
      send(request) {
        agent.credits--;
        agent.seen.push(request);
        agent.most = Math.max(agent.most, ++agent.#held);
        receive(request, () => {
          agent.credits++;
          agent.#held--;
          agent.answers(request);
          if (agent.credits === 1) this.onFree();
        });
      },
    };
  }
}
