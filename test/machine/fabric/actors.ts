/** Who makes the traffic: a script for each thread of a function or of the CPU, which looks at how each thing ended. */
import {
  CompletionStatus,
  type DmaRead,
  DmaStatus,
  type DmaTarget,
  dmaTarget,
  MessageCode,
  TlpKind,
} from '../../../hardware/pcie/index.ts';
import { ns, type Script, type Task } from '../../../hardware/sim/index.ts';
import { AREA_IN_BAR, accepts, type FabricBench, HOST_AREA, type Memory } from './bench.ts';
import { bytesOf } from './bytes.ts';
import { ALL_CELLS, type Cell, type Cells } from './cells.ts';
import type { Site } from './layout.ts';
import { messageToHost } from './messages.ts';
import { type Outcome, outcomeOf } from './outcomes.ts';
import { INTERRUPTS } from './posted.ts';
import type { Step, Thread, Traffic } from './traffic.ts';
import type { Witness } from './witness.ts';

const CACHE_LINE_SIZE_AT = 0x0c;
/** Bytes of a deferrable write, and of a direct store. */
const ENQUEUED = 64;
const CPU_SIZES = [1, 2, 4, 8];
const DMA_STATUS = new Map<Outcome, number>([
  [CompletionStatus.SUCCESSFUL, DmaStatus.SUCCESS],
  [CompletionStatus.UNSUPPORTED_REQUEST, DmaStatus.UNSUPPORTED_REQUEST],
  [CompletionStatus.COMPLETER_ABORT, DmaStatus.COMPLETER_ABORT],
  [CompletionStatus.REQUEST_RETRY, DmaStatus.RETRY],
  ['lost', DmaStatus.TIMED_OUT],
]);

type Deed<S> = S extends readonly (infer T)[] ? T : never;

export class Actors {
  readonly #bench: FabricBench;
  readonly #witness: Witness;
  readonly #cells: Cells;
  readonly #tasks: Task<void>[] = [];
  #writers = 0;
  /** By id: what the CPU has written into Cache Line Size. */
  readonly #lines = new Map<number, Set<number>>();

  constructor(bench: FabricBench, witness: Witness, cells: Cells) {
    this.#bench = bench;
    this.#witness = witness;
    this.#cells = cells;
  }

  start({ threads, cpu }: Traffic): void {
    const { devices } = this.#bench;
    for (const { source, steps } of threads) {
      const device = devices[source % devices.length]!;
      this.#spawn(this.#thread(steps, (step) => this.#act(device, step)));
    }
    for (const steps of cpu) this.#spawn(this.#thread(steps, (step) => this.#actAsCpu(step)));
  }

  /** Everybody has come to an end. */
  finish(): void {
    for (const task of this.#tasks) if (!task.ended) this.#witness.complain(`stuck: ${task.plight}`);
  }

  #spawn(script: Script): void {
    this.#tasks.push(this.#bench.engine.spawn(script));
  }

  *#thread<S extends Step>(steps: readonly S[], act: (step: S) => Script): Script {
    for (const step of steps) {
      yield ns(step.pause);
      if (step.wait) yield* act(step);
      else this.#spawn(act(step));
    }
  }

  *#act(device: Memory, step: Deed<Thread['steps']>): Script {
    const { deed, offset, length, attributes, pasid } = step;
    const { sites } = this.#bench.layout;
    const chosen = step.target % (sites.length + 1);
    const target = chosen === 0 ? null : sites[chosen - 1]!;
    const qualities = { attributes, pasid, addressType: step.translated ? 2 : 0 };
    const area = target === null ? HOST_AREA : target.base + AREA_IN_BAR;
    const at = (address: number): DmaTarget => dmaTarget(address, qualities);
    const expect = (kind: number, writer: number, status: number) => {
      const asked = { kind, attributes, translated: step.translated, writer };
      const expected = DMA_STATUS.get(outcomeOf(device.site, target, asked));
      if (status !== expected) this.#complain(device, `${deed} ends with ${status} and not ${expected}`);
    };
    if (deed === 'read') {
      const { status, data } = yield* device.dma.read(at(area + offset), length);
      expect(TlpKind.MEMORY_READ, 0, status);
      if (status === DmaStatus.SUCCESS && data.length !== length) this.#complain(device, `${data.length} of ${length}`);
    } else if (deed === 'write') {
      const bytes = bytesOf(this.#writer(), area + offset, length);
      if ((yield* device.dma.write(at(area + offset), bytes)) !== DmaStatus.SUCCESS) this.#complain(device, 'no write');
    } else if (deed === 'atomic') {
      const cell = ALL_CELLS[offset % ALL_CELLS.length]!;
      const address = target === null ? cell.address : area;
      const operands = this.#cells.operands(cell, this.#writer());
      const result = yield* device.dma.atomic(cell.kind, at(address), operands);
      expect(cell.kind, 0, result.status);
      if (target === null) this.#record(cell, operands, result);
    } else if (deed === 'deferrable') {
      const address = area + offset - (offset % ENQUEUED);
      const writer = this.#writer();
      const status = yield* device.dma.deferrableWrite(at(address), bytesOf(writer, address, ENQUEUED));
      expect(TlpKind.DEFERRABLE_WRITE, writer, status);
    } else if (deed === 'interrupt') {
      const data = Uint8Array.of(this.#writer(), 0, 0, 0);
      yield* device.dma.write(dmaTarget(INTERRUPTS, { attributes }), data);
    } else if (deed === 'tell') {
      const { function: fn } = device;
      yield* fn.transmit(messageToHost(fn.take(), length, fn.requester, this.#writer(), step));
    } else yield* this.#say(device, target ?? device.site, attributes);
  }

  #record(cell: Cell, operands: Uint8Array, { status, data }: DmaRead): void {
    if (status === DmaStatus.SUCCESS) this.#cells.record(cell, operands, data);
  }

  *#say({ function: fn }: Memory, to: Site, attributes: number): Script {
    const { requester } = this.#bench.deviceOf(to).function;
    const tlp = fn.take().messageTo(requester, fn.requester, MessageCode.VENDOR_DEFINED_TYPE_1, 0, this.#writer());
    tlp.attributes = attributes;
    yield* fn.transmit(tlp);
  }

  *#actAsCpu({ deed, target, offset, length }: Deed<Traffic['cpu'][number]>): Script {
    const { root, devices } = this.#bench;
    const { site } = devices[target % devices.length]!;
    const area = site.base + AREA_IN_BAR;
    const size = CPU_SIZES[length % CPU_SIZES.length]!;
    const address = area + offset - (offset % size);
    const line = area + offset - (offset % ENQUEUED);
    if (deed === 'load') {
      const question = this.#witness.askedByCpu(site, address, size);
      this.#witness.answeredToCpu(question, little(yield* root.mmioRead(address, size), size));
    } else if (deed === 'store') {
      yield* root.mmioWrite(address, size, littleEndian(bytesOf(this.#writer(), address, size)));
    } else if (deed === 'direct') yield* root.directStore(line, bytesOf(this.#writer(), line, ENQUEUED));
    else if (deed === 'enqueue') {
      const writer = this.#writer();
      const outcome = yield* root.deferrableWrite(line, bytesOf(writer, line, ENQUEUED));
      if (outcome !== (accepts(writer) ? 'accepted' : 'retry')) this.#witness.complain(`the CPU hears ${outcome}`);
    } else yield* this.#configure(deed, target, length & 0xff);
  }

  *#configure(deed: 'config-read' | 'config-write', target: number, value: number): Script {
    const { root, identities } = this.#bench;
    const { id, word } = identities[target % identities.length]!;
    const lines = this.#lines.get(id) ?? new Set([0]);
    this.#lines.set(id, lines);
    if (deed === 'config-write') {
      lines.add(value);
      yield* root.configWrite(id, CACHE_LINE_SIZE_AT, 1, value);
      return;
    }
    const found = yield* root.configRead(id, 0, 4);
    const line = yield* root.configRead(id, CACHE_LINE_SIZE_AT, 1);
    if (found !== word || !lines.has(line)) this.#witness.complain(`configuration of ${id}: ${found}, ${line}`);
  }

  #writer(): number {
    this.#writers++;
    if (this.#writers > 255) throw new Error('more writers than bytes can name');
    return this.#writers;
  }

  #complain({ name }: Memory, what: string): void {
    this.#witness.complain(`${name}: ${what}`);
  }
}

function littleEndian(bytes: Uint8Array): bigint {
  return bytes.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
}

function little(value: bigint, size: number): Uint8Array {
  return Uint8Array.from({ length: size }, (_, i) => Number((value >> BigInt(8 * i)) & 0xffn));
}
