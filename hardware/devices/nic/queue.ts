/** What receive and transmit queues have in common: registers, a ring for as long as they are enabled, interrupts. */
import type { RegisterFile } from '../../bits/index.ts';
import type { Dma } from '../../pcie/index.ts';
import type { Engine, Script } from '../../sim/index.ts';
import { Moderation } from './moderation.ts';
import { QueueRegisters } from './queue-registers.ts';
import { Ring, type RingSpec } from './ring.ts';
import { QUEUE_CONTROL, QUEUE_TAIL } from './spec.ts';

/** What queues have of the device that they belong to. */
export interface QueuePlace {
  readonly engine: Engine;
  readonly dma: Dma;
  readonly file: RegisterFile;
  readonly spec: RingSpec;
  interrupt(vector: number): void;
}

export abstract class Queue {
  readonly name: string;
  readonly registers: QueueRegisters;
  protected readonly place: QueuePlace;
  readonly #moderation: Moderation;
  #ring: Ring | null = null;

  constructor(place: QueuePlace, name: string, offset: number) {
    const { engine, file } = place;
    this.name = name;
    this.place = place;
    this.registers = new QueueRegisters(file, offset);
    this.#moderation = new Moderation(
      engine,
      name,
      () => this.registers.moderation,
      () => place.interrupt(this.registers.vector),
    );
    file.onWrite(offset + QUEUE_CONTROL, () => this.#controlled());
    file.onWrite(offset + QUEUE_TAIL, () => this.#ring?.doorbell());
  }

  /** Software has enabled it, and it has not stopped. */
  get isWorking(): boolean {
    return this.#ring !== null;
  }

  /** Nothing that was begun goes on. Registers are not touched. */
  reset(): void {
    this.#stop();
    this.#moderation.reset();
  }

  /** Works on a ring until it is no longer alive. */
  protected abstract work(ring: Ring): Script;

  /** What was held for the ring is not needed. */
  protected abstract forget(): void;

  #controlled(): void {
    const { enabled } = this.registers;
    if (enabled && this.#ring === null) this.#start();
    else if (!enabled && this.#ring !== null) {
      this.#stop();
      this.registers.end();
    }
    this.#moderation.note(0);
  }

  #start(): void {
    const { engine, dma, spec } = this.place;
    const { name, registers } = this;
    registers.begin();
    const moderation = this.#moderation;
    const ring = new Ring(engine, dma, spec, { name, registers, moderation, onFault: () => this.#fault() });
    this.#ring = ring;
    engine.spawn(this.work(ring), name);
  }

  #stop(): void {
    this.#ring?.stop();
    this.#ring = null;
    this.forget();
  }

  #fault(): void {
    this.#stop();
    this.registers.fault();
    this.#moderation.note(1);
  }
}
