/**
 * The network interface of spec.ts: queues of descriptors between memory and a wire. It is what the published measurements of IOTLBs
 * ran on, without being any one chip.
 *
 * Surface: `function`, to be connected to a root complex; `wire`, on which frames come and go; `spec`, `state`, `reset`. All else
 * goes through its registers.
 *
 * Inaccuracies: registers answer at once; deciding about a frame takes no time.
 */
import { RegisterFile } from '../../bits/index.ts';
import {
  type ConfigSpec,
  type Device,
  type FunctionBehaviour,
  PcieFunction,
  Requester,
  type Tlp,
} from '../../pcie/index.ts';
import type { Component, Engine } from '../../sim/index.ts';
import { checkCount } from '../count.ts';
import type { Queue, QueuePlace } from './queue.ts';
import { FrameRoom, ReceiveQueue } from './receive.ts';
import {
  CAPABILITIES,
  CONTROL,
  HEADER_BYTES,
  ID,
  MAGIC,
  MOST_QUEUES,
  MSIX_PENDING_AT,
  MSIX_TABLE_AT,
  MTU,
  MTU_DEFAULT,
  MTU_MOST,
  NIC_BAR,
  NIC_BAR_BYTES,
  NIC_CLASS,
  NIC_DEVICE,
  NIC_REGISTERS,
  NIC_REVISION,
  NIC_VENDOR,
  QUEUE,
  QUEUE_BYTES,
  REGISTER_BYTES,
  RX_QUEUES_AT,
  STEERING_BYTE,
  TX_QUEUES_AT,
} from './spec.ts';
import { Statistics } from './statistics.ts';
import { TransmitQueue } from './transmit.ts';
import { Wire } from './wire.ts';

export interface NicSpec {
  readonly name: string;
  /** Requester id. */
  readonly requester: number;
  /** Largest payload that it can handle: 128 to 4096 bytes. What it uses is programmed in its configuration space. */
  readonly payloadSupported: number;
  /** Reads that may be outstanding. Software may allow fewer. */
  readonly tags: number;
  /** Queues of each kind, 1 to 64, each with a vector of its own for both kinds. */
  readonly queues: number;
  /** Gigabits per second on the wire, a whole number. */
  readonly lineRate: number;
  /** Bytes of frames that it can hold before they are in memory. */
  readonly buffer: number;
  /** Descriptors that a queue reads at a time. */
  readonly prefetch: number;
  /** Descriptors that a queue writes back at a time when it has as many. */
  readonly writeBack: number;
  /** Frames that a queue reads from memory at a time. */
  readonly framesRead: number;
}

/** Not architectural. */
export const NIC = {
  payloadSupported: 512,
  tags: 256,
  queues: 4,
  lineRate: 100,
  buffer: 0x4_0000,
  prefetch: 32,
  writeBack: 4,
  framesRead: 16,
} as const;

export interface NicState {
  /** Registers by name: what is counted, and what the device was told. */
  readonly registers: Readonly<Record<string, number>>;
  /** By queue. */
  readonly receive: readonly QueueState[];
  readonly transmit: readonly QueueState[];
}

export interface QueueState {
  readonly working: boolean;
  readonly head: number;
  readonly tail: number;
}

const CONFIG = {
  vendor: NIC_VENDOR,
  device: NIC_DEVICE,
  revision: NIC_REVISION,
  classCode: NIC_CLASS,
  bars: [{ index: NIC_BAR, size: NIC_BAR_BYTES, wide: true, prefetchable: false }],
  msiVectors: 0,
  pciExpress: { flr: true },
} as const satisfies Partial<ConfigSpec>;

export class Nic implements Component<NicSpec, NicState>, Device, FunctionBehaviour {
  readonly name: string;
  readonly spec: NicSpec;
  readonly function: PcieFunction;
  readonly wire: Wire;
  readonly dma: Requester;
  readonly #registers: RegisterFile;
  readonly #statistics: Statistics;
  readonly #receive: readonly ReceiveQueue[];
  readonly #transmit: readonly TransmitQueue[];

  constructor(engine: Engine, spec: NicSpec) {
    const { name, requester, payloadSupported, queues } = spec;
    checkCount(name, 'queues', queues, MOST_QUEUES);
    const msix = {
      vectors: 2 * queues,
      table: { bar: NIC_BAR, offset: MSIX_TABLE_AT },
      pending: { bar: NIC_BAR, offset: MSIX_PENDING_AT },
    };
    this.name = name;
    this.spec = spec;
    this.function = new PcieFunction({ ...CONFIG, name, requester, payloadSupported, capabilities: { msix } }, this);
    this.wire = new Wire(engine, spec.lineRate);
    this.dma = new Requester(engine, this.function, spec);
    const numbers = Array.from({ length: queues }, (_, n) => n);
    const offsets = numbers.flatMap((n) => [RX_QUEUES_AT + n * QUEUE_BYTES, TX_QUEUES_AT + n * QUEUE_BYTES]);
    const file = new RegisterFile(REGISTER_BYTES, [
      ...NIC_REGISTERS,
      ...offsets.map((offset) => ({ layout: QUEUE, offset })),
    ]);
    file.initial(ID, { MAGIC, REVISION: NIC_REVISION });
    file.initial(CAPABILITIES, { RX_QUEUES: queues, TX_QUEUES: queues });
    file.initial(MTU, { MTU: MTU_DEFAULT });
    file.onWrite(CONTROL.$.offset!, (written) => {
      if ((written & CONTROL.RESET.mask) !== 0) this.functionLevelReset();
    });
    this.#registers = file;
    this.#statistics = new Statistics(file);

    const interrupt = (vector: number) => void engine.spawn(this.function.interrupt(vector), `an interrupt of ${name}`);
    const place: QueuePlace = { engine, dma: this.dma, file, spec, interrupt };
    const room = new FrameRoom(spec.buffer);
    const shared = { statistics: this.#statistics, wire: this.wire };
    const transmit = { frames: spec.framesRead, longest: () => this.#longest };
    this.#receive = numbers.map(
      (n) => new ReceiveQueue(place, `${name} rx${n}`, RX_QUEUES_AT + n * QUEUE_BYTES, this.#statistics, room),
    );
    this.#transmit = numbers.map(
      (n) =>
        new TransmitQueue(place, { name: `${name} tx${n}`, offset: TX_QUEUES_AT + n * QUEUE_BYTES }, shared, transmit),
    );
    this.wire.deliver = (frame) => this.#deliver(frame);
  }

  get functions(): readonly PcieFunction[] {
    return [this.function];
  }

  get state(): NicState {
    const stateOf = ({ isWorking, registers: { head, tail } }: Queue) => ({ working: isWorking, head, tail });
    return {
      registers: this.#registers.fieldValues(NIC_REGISTERS),
      receive: this.#receive.map(stateOf),
      transmit: this.#transmit.map(stateOf),
    };
  }

  memoryRead(_bar: number, offset: number, into: Uint8Array, length: number): void {
    this.#registers.readAligned(offset, into, length);
  }

  memoryWrite(_bar: number, offset: number, from: Uint8Array, length: number): void {
    this.#registers.writeAligned(offset, from, length);
  }

  completion(tlp: Tlp): void {
    this.dma.completion(tlp);
  }

  functionLevelReset(): void {
    for (const queue of [...this.#receive, ...this.#transmit]) queue.reset();
    this.#registers.reset();
    this.dma.reset();
  }

  reset(): void {
    this.functionLevelReset();
    this.wire.reset();
    this.function.reset();
  }

  get #longest(): number {
    return Math.min(MTU.MTU.get(this.#registers.words), MTU_MOST) + HEADER_BYTES;
  }

  #deliver(frame: Uint8Array): void {
    if (frame.length > this.#longest) {
      this.#statistics.tooLong();
      return;
    }
    let working = 0;
    while (this.#receive[working]?.isWorking) working++;
    if (working === 0) this.#statistics.dropped();
    else this.#receive[(frame[STEERING_BYTE] ?? 0) % working]!.deliver(frame);
  }
}
