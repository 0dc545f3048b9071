/**
 * The path of a DMA, approximately timed: device, link, root complex, IOMMU, memory and back, event by event, without the bytes.
 *
 * The IOMMU is a unit of either vendor with its registers, tables and caches, under the same timed agent as in a whole machine, and so
 * is the memory controller; the device, the link and the root complex are here what their times are. A whole machine moves
 * every TLP with its data, its credits and its errors, and takes ten times as long.
 *
 * Surface: `reads` and `writes` take commands, `shares` says where the time went, of each request to `shares.tasks`.
 *
 * Inaccuracies: one device, whose functions share its engines; nothing is written into memory; interrupts and messages do not exist.
 */
import type { TimedIommu } from '../iommu/index.ts';
import type { MemoryController } from '../memory/index.ts';
import { linkRate } from '../pcie/index.ts';
import type { Engine } from '../sim/index.ts';
import { PathEvent, PathEvents } from './events.ts';
import { Shares } from './milestones.ts';
import type { PathSpec } from './parameters.ts';
import { ReadEngine } from './read-engine.ts';
import { Root } from './root.ts';
import { type Command, TransactionPool } from './transaction.ts';
import { Upstream } from './upstream.ts';
import { WriteEngine } from './write-engine.ts';

export interface PathParts {
  readonly controller: MemoryController;
  /** Without one, addresses pass as they are. */
  readonly agent: TimedIommu | null;
  /** Of the device. */
  readonly requester: number;
  /** The device never writes: what it does is then known ahead, with one event less for each read. */
  readonly readsOnly?: boolean;
}

/** Who gives the device its commands. */
export interface Commander {
  /** Fills in what the next read command reads; false when there is none for now: then `reads.pump` asks again. */
  nextRead(command: Command): boolean;
  /** The write engine can begin a command: `writes.start`. */
  idle(): void;
  /** A write has its last byte on the link in `delay`. */
  sent?(command: Command, isLast: boolean, delay: number): void;
}

export class DmaPath {
  readonly engine: Engine;
  readonly spec: PathSpec;
  readonly reads: ReadEngine;
  readonly writes: WriteEngine;
  readonly root: Root;
  readonly #shares = new Shares();
  readonly #upstream: Upstream;
  readonly #pool: TransactionPool;

  constructor(
    engine: Engine,
    spec: PathSpec,
    { controller, agent, requester, readsOnly = false }: PathParts,
    commander: Commander,
  ) {
    const { device, link } = spec;
    const shares = this.#shares;
    const rate = linkRate(link.generation, link.width, link.dllp, device.maxPayload);
    const pool = new TransactionPool(requester);
    const events = new PathEvents(engine, (event, index) => this.#carry(event, index));
    const take = (command: Command) => pool.take(command, engine);
    this.engine = engine;
    this.spec = spec;
    this.#pool = pool;
    this.root = new Root(
      events,
      spec,
      rate,
      { controller, agent, shares, pool },
      {
        returned: (lines) => this.#upstream.returned(lines),
        arrived: (transaction, bytes) => this.reads.arrived(transaction, bytes),
        give: (transaction) => pool.give(transaction),
      },
    );
    this.#upstream = new Upstream(events, spec, rate, shares, {
      arrive: (transaction, delay) => this.root.arrive(transaction, delay),
      sent: ({ command, isLast }, delay) => {
        this.writes.sent(delay);
        commander.sent?.(command!, isLast, delay);
      },
    });
    this.reads = new ReadEngine(events, device, shares, {
      take,
      give: (transaction) => pool.give(transaction),
      send: (transaction) => this.#upstream.send(transaction),
      sendAhead: readsOnly ? (transaction, delay) => this.#upstream.sendAhead(transaction, delay) : null,
      next: (command) => commander.nextRead(command),
    });
    this.writes = new WriteEngine(events, device, shares, {
      take,
      send: (transaction) => this.#upstream.send(transaction),
      idle: () => commander.idle(),
    });
  }

  /** Where time went until now. */
  get shares(): Shares {
    this.root.settle();
    return this.#shares;
  }

  #carry(event: number, index: number): void {
    switch (event) {
      case PathEvent.LINK_FREE:
        this.#upstream.free();
        break;
      case PathEvent.ISSUED:
        this.reads.issued();
        break;
      case PathEvent.BUILT:
        this.writes.built();
        break;
      case PathEvent.ROOM:
        this.writes.room();
        break;
      default:
        this.root.carry(event, index);
    }
  }

  /** With the engine, the agent and the controller. */
  reset(): void {
    for (const part of [this.#upstream, this.root, this.reads, this.writes, this.#shares, this.#pool]) part.reset();
  }
}
