/** Functions that are nothing but words of configuration space, on a bus that routes as bridges say. */
import type { Script } from '../../hardware/sim/index.ts';
import type { Bus } from '../../src/kernel/bus.ts';
import { KernelLog } from '../../src/kernel/log.ts';
import { Pci, type PciDevice } from '../../src/kernel/pci/index.ts';

export const NOBODY = 0xffff_ffff;
const BARS = 0x10;
const BUS_NUMBERS = 0x18;
const HEADER = 0x0c;

export class WordsFunction {
  readonly words = new Uint32Array(1024);
  /** What software can set in each word; in the others it sets nothing. */
  readonly writable = new Map<number, number>();
  /** After so many reads the function is gone. */
  readsLeft = Number.POSITIVE_INFINITY;

  readonly above: WordsFunction | null;
  readonly deviceAndFunction: number;

  constructor(above: WordsFunction | null, deviceAndFunction: number) {
    this.above = above;
    this.deviceAndFunction = deviceAndFunction;
    this.words[0] = 0x0001_1de5;
    this.writable.set(4, 0xffff);
  }

  /** A memory base address register of 32 bits. */
  bar(index: number, bytes: number): this {
    this.writable.set(BARS + index * 4, -bytes >>> 0);
    return this;
  }

  /** A bridge between these buses. */
  bridge(secondary: number, subordinate: number): this {
    this.words[HEADER / 4] = 1 << 16;
    this.words[BUS_NUMBERS / 4] = (secondary << 8) | (subordinate << 16);
    this.writable.set(0x20, 0xfff0_fff0);
    this.writable.set(0x24, 0xfff0_fff0);
    return this;
  }

  /** Its PCI Express capability, which says what kind it is of. */
  express(portType: number): this {
    this.words[1] = 1 << 20;
    this.words[0x34 / 4] = 0x40;
    this.words[0x40 / 4] = 0x10 | (portType << 20);
    return this;
  }

  multi(): this {
    this.words[HEADER / 4]! |= 1 << 23;
    return this;
  }

  get isBridge(): boolean {
    return ((this.words[HEADER / 4]! >>> 16) & 0x7f) === 1;
  }

  get secondary(): number {
    return (this.words[BUS_NUMBERS / 4]! >>> 8) & 0xff;
  }

  get subordinate(): number {
    return (this.words[BUS_NUMBERS / 4]! >>> 16) & 0xff;
  }

  get command(): number {
    return this.words[1]! & 0xffff;
  }

  /** The window that it forwards, or `undefined` when it forwards nothing. */
  get window(): readonly [start: number, end: number] | undefined {
    const word = this.words[0x20 / 4]!;
    const start = ((word & 0xfff0) << 16) >>> 0;
    const end = (word & 0xfff0_0000) >>> 0;
    return end < start ? undefined : [start, end + 2 ** 20];
  }

  read(offset: number): number {
    if (this.readsLeft-- <= 0) return NOBODY;
    return this.words[offset >>> 2]!;
  }

  write(offset: number, size: number, value: number): void {
    const at = offset & ~3;
    const shift = (offset & 3) * 8;
    const touched = size === 4 ? NOBODY : ((2 ** (size * 8) - 1) << shift) >>> 0;
    const mask = (this.writable.get(at) ?? 0) & touched;
    this.words[at >>> 2] = (this.words[at >>> 2]! & ~mask) | ((value << shift) & mask);
  }
}

export class WordsBus {
  readonly functions: WordsFunction[] = [];
  reads = 0;

  add(above: WordsFunction | null, deviceAndFunction: number): WordsFunction {
    const fn = new WordsFunction(above, deviceAndFunction);
    this.functions.push(fn);
    return fn;
  }

  /** What the kernel finds, and how it left everything. */
  enumerate(mmio: readonly [start: number, length: number] = [0xe000_0000, 0x1000_0000]) {
    // Registers that software cannot set say nothing of time: no engine is needed.
    const log = new KernelLog({ now: 0 } as never);
    const pci = new Pci(this.#bus(), log, mmio);
    const devices = instantly(pci.enumerate([0]));
    return { pci, devices, log: log.toString() };
  }

  /** Functions behind a bridge, at any depth. */
  below(bridge: WordsFunction): WordsFunction[] {
    return this.functions.filter((fn) => {
      for (let one = fn.above; one !== null; one = one.above) if (one === bridge) return true;
      return false;
    });
  }

  /** The function that a request of the CPU reaches: the first bridge of each bus whose numbers hold its bus. */
  at(rid: number): WordsFunction | undefined {
    const bus = rid >>> 8;
    let above: WordsFunction | null = null;
    for (let depth = 0; depth < 300; depth++) {
      const here: number = above === null ? 0 : above.secondary;
      const on: WordsFunction[] = this.functions.filter((fn) => fn.above === above);
      if (here === bus) return on.find((fn) => fn.deviceAndFunction === (rid & 0xff));
      const next: WordsFunction | undefined = on.find(
        (fn) => fn.isBridge && fn.secondary <= bus && fn.subordinate >= bus,
      );
      if (next === undefined) return undefined;
      above = next;
    }
    return undefined;
  }

  #bus(): Bus {
    const unused = (): never => {
      throw new Error('enumeration reads configuration space only');
    };
    const { at } = this;
    const read = (rid: number, offset: number) => {
      this.reads++;
      return at.call(this, rid)?.read(offset) ?? NOBODY;
    };
    return {
      memory: undefined as never,
      cost: undefined as never,
      // biome-ignore lint/correctness/useYield: nothing to wait for
      *configRead(rid, offset, size) {
        const word = read(rid, offset) >>> ((offset & 3) * 8);
        return size === 4 ? word >>> 0 : word & (2 ** (size * 8) - 1);
      },
      configWrite: (rid, offset, size, value) => this.#write(rid, offset, size, value),
      mmioRead: unused,
      mmioWrite: unused,
      directStore: unused,
      deferrableWrite: unused,
    };
  }

  // biome-ignore lint/correctness/useYield: nothing to wait for
  *#write(rid: number, offset: number, size: number, value: number): Script {
    this.at(rid)?.write(offset, size, value);
  }
}

/** Runs a script that waits for nothing. */
function instantly(script: Script<PciDevice[]>): PciDevice[] {
  const step = script.next();
  if (step.done !== true) throw new Error('the script waits');
  return step.value;
}
