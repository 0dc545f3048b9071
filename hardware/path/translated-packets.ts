/**
 * A network device that needs several translations for each packet, and nothing else: packets come as fast as the network brings
 * them, and each waits until its first translations are asked for before the next one's are.
 *
 * Surface: `start`, and `run` until a number of packets is done; `translator` counts.
 *
 * Inaccuracies: the packets' own DMA takes no time; a packet that cannot be taken waits and is not dropped.
 */
import { type Duration, type Engine, type Handler, ns } from '../sim/index.ts';
import { type DeviceTranslator, LookUp } from './device-translator.ts';
import type { Transfers } from './streams.ts';
import { Command } from './transaction.ts';

export interface PacketsSpec {
  /** Nanoseconds from one packet to the next. */
  readonly interval: number;
  /** Translations of a packet. */
  readonly translations: number;
}

/** One translation of a packet. */
class Access extends Command {
  packet: Packet | null = null;
}

class Packet {
  waits = 0;
}

export class TranslatedPackets implements Handler {
  readonly name = 'a device that translates packets';
  readonly translator: DeviceTranslator;
  readonly #engine: Engine;
  readonly #spec: PacketsSpec;
  readonly #interval: Duration;
  readonly #transfers: Transfers;
  readonly #idle: Access[] = [];
  readonly #packets: Packet[] = [];
  /** The packet whose translations are being asked for, how many of them have been, and the one for which there was no room. */
  #packet: Packet | null = null;
  #asked = 0;
  #held: Access | null = null;
  #begunAt = 0;
  #left = 0;

  constructor(engine: Engine, spec: PacketsSpec, translator: DeviceTranslator, transfers: Transfers) {
    this.#engine = engine;
    this.#spec = spec;
    this.#interval = ns(spec.interval);
    this.#transfers = transfers;
    this.translator = translator;
    translator.ready = (access) => this.#found(access as Access);
    translator.room = () => {
      if (this.#held !== null) this.#goOn();
    };
  }

  start(): void {
    this.handle();
  }

  /** Lets `count` more packets be done: the instant at which they are. */
  run(count: number): number {
    this.#left = count;
    while (this.#left > 0) {
      if (!this.#engine.step()) throw new Error('the device has come to a standstill');
    }
    return this.#engine.now;
  }

  /** The next packet may begin. Called by the engine. */
  handle(): void {
    this.#packet = this.#packets.pop() ?? new Packet();
    this.#packet.waits = this.#spec.translations;
    this.#asked = 0;
    this.#begunAt = this.#engine.now;
    this.#goOn();
  }

  /** Asks for what is left of the packet; the next one comes an interval behind it. */
  #goOn(): void {
    while (this.#asked < this.#spec.translations) {
      const access = this.#held ?? this.#fill();
      const result = this.translator.lookUp(access);
      this.#held = result === LookUp.NO_ROOM ? access : null;
      if (result === LookUp.NO_ROOM) return;
      this.#asked++;
      if (result === LookUp.FOUND) this.#found(access);
    }
    const wait = Math.max(this.#begunAt + this.#interval - this.#engine.now, 0);
    this.#engine.schedule(wait as Duration, this, 0);
  }

  #fill(): Access {
    const access = this.#idle.pop() ?? new Access();
    this.#transfers.fill(access);
    access.packet = this.#packet;
    return access;
  }

  #found(access: Access): void {
    const packet = access.packet!;
    this.#idle.push(access);
    if (--packet.waits > 0) return;
    this.#packets.push(packet);
    this.#left--;
  }
}
