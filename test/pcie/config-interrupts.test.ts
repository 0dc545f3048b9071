import { beforeEach, describe, expect, it } from 'vitest';
import { MemoryController, PhysicalMemory } from '../../hardware/memory/index.ts';
import {
  type BarSpec,
  ConfigSpace,
  type ConfigSpec,
  type FunctionBehaviour,
  LINK,
  type MsixCapability,
  PcieFunction,
  ROOT_COMPLEX,
  RootComplex,
} from '../../hardware/pcie/index.ts';
import { Engine, type Script } from '../../hardware/sim/index.ts';
import { EVERYTHING, find, PLAIN } from './config-functions.ts';

const MSI = 0x80;

describe('MSI with per-vector masking', () => {
  let config: ConfigSpace;
  let unmasked: number[];

  beforeEach(() => {
    config = new ConfigSpace(EVERYTHING);
    unmasked = [];
    config.msi!.onUnmask = (vector) => unmasked.push(vector);
    config.write(MSI + 0x04, 4, 0xfee0_1003);
    config.write(MSI + 0x08, 4, 0x0000_0001);
    config.write(MSI + 0x0c, 2, 0x4047);
    config.write(MSI + 0x02, 2, 1 | (3 << 4));
  });

  it('says so, and has mask bits for the vectors that there are', () => {
    expect(config.read(MSI, 4)).toBe(0x01b7_a005);
    config.write(MSI + 0x10, 4, 0xffff_ffff);
    expect(config.read(MSI + 0x10, 4)).toBe(0xff);
  });

  it('replaces the low bits of the data by the vector', () => {
    const { msi } = config;
    expect([msi!.vectors, msi!.data(0), msi!.data(7)]).toEqual([8, 0x4040, 0x4047]);
    expect([msi!.addressHi(7), msi!.addressLo(7) >>> 0]).toEqual([1, 0xfee0_1000]);
  });

  it('holds a masked vector back as pending, and tells of it once it is unmasked', () => {
    config.write(MSI + 0x10, 4, 0b1010);
    expect([1, 2, 3].map((vector) => config.msi!.hold(vector))).toEqual([true, false, true]);
    expect(config.read(MSI + 0x14, 4)).toBe(0b1010);
    config.write(MSI + 0x10, 4, 0b1000);
    expect([unmasked, config.read(MSI + 0x14, 4)]).toEqual([[1], 0b1000]);
  });

  it('does not tell of what is unmasked while MSI is off before it is on', () => {
    config.write(MSI + 0x10, 4, 1);
    config.msi!.hold(0);
    config.write(MSI + 0x02, 2, 0);
    config.write(MSI + 0x10, 4, 0);
    expect([unmasked, config.read(MSI + 0x14, 4)]).toEqual([[], 1]);
    config.write(MSI + 0x02, 2, 1);
    expect([unmasked, config.read(MSI + 0x14, 4)]).toEqual([[0], 0]);
  });

  it('takes a power of two up to 32 vectors, and masks each of 32', () => {
    expect(() => new ConfigSpace({ ...PLAIN, msiVectors: 3 })).toThrow('3 MSI vectors are not a power of two');
    expect(() => new ConfigSpace({ ...PLAIN, msiVectors: 64 })).toThrow('64 MSI vectors are not a power of two');
    const most = new ConfigSpace({ ...PLAIN, msiVectors: 32, msiMasking: true });
    most.write(MSI + 0x10, 4, 0xffff_ffff);
    most.msi!.hold(31);
    expect([most.read(MSI + 0x10, 4), most.read(MSI + 0x14, 4)]).toEqual([0xffff_ffff, 0x8000_0000]);
  });
});

describe('MSI-X', () => {
  let config: ConfigSpace;
  let msix: MsixCapability;
  let at: number;
  let unmasked: number[];

  const word = (offset: number, value: number) => {
    msix.write(0, offset, Uint8Array.of(value, value >>> 8, value >>> 16, value >>> 24), 4);
  };
  const read = (offset: number, length: number) => {
    const into = new Uint8Array(length);
    msix.read(0, offset, into, length);
    return Buffer.from(into).readUIntLE(0, length);
  };
  const unmask = (vector: number) => word(0x2000 + vector * 16 + 12, 0);

  beforeEach(() => {
    config = new ConfigSpace(EVERYTHING);
    msix = config.msix!;
    at = find(config, 0x11);
    unmasked = [];
    msix.onUnmask = (vector) => unmasked.push(vector);
  });

  it('says how many vectors there are, and where table and pending bits stand', () => {
    expect([config.read(at + 2, 2), config.read(at + 4, 4), config.read(at + 8, 4)]).toEqual([64, 0x2000, 0x3000]);
  });

  it('is used instead of MSI when both are on', () => {
    config.write(MSI + 2, 2, 1);
    expect(config.interrupts).toBe(config.msi);
    config.write(at + 2, 2, 0x8000);
    expect(config.interrupts).toBe(msix);
  });

  it('keeps a message for each vector, and every vector masked after a reset', () => {
    word(0x2000 + 16 * 64, 0xfee0_2003);
    word(0x2004 + 16 * 64, 0x12);
    word(0x2008 + 16 * 64, 0x8765_4321);
    expect([msix.addressHi(64), msix.addressLo(64) >>> 0, msix.data(64)]).toEqual([0x12, 0xfee0_2000, 0x8765_4321]);
    expect([read(0x200c, 4), read(0x200c + 16 * 64, 4)]).toEqual([1, 1]);
    config.reset();
    expect(msix.data(64)).toBe(0);
  });

  it('takes several words at once, but nothing that is not of whole words, nor behind its end', () => {
    const from = Uint8Array.from({ length: 32 }, (_, i) => i);
    msix.write(0, 0x2000, from, 16);
    expect([msix.addressLo(0), msix.addressHi(0), msix.data(0)]).toEqual([0x0302_0100, 0x0706_0504, 0x0b0a_0908]);
    msix.write(0, 0x2002, from, 4);
    msix.write(0, 0x2000, from, 2);
    expect(msix.addressLo(0)).toBe(0x0302_0100);
    msix.write(0, 0x2000 + 16 * 64 + 12, from, 32);
    expect([read(0x2000 + 16 * 64 + 12, 4), read(0x2000 + 16 * 65, 4)]).toEqual([0, 0]);
  });

  it('holds what is at its place in its base address, and nothing else', () => {
    const places = [0x1fff, 0x2000, 0x240f, 0x2410, 0x2fff, 0x3000, 0x300f, 0x3010];
    expect(places.map((place) => msix.holds(0, place))).toEqual([false, true, true, false, false, true, true, false]);
    expect(msix.holds(2, 0x2000)).toBe(false);
  });

  it('has a pending bit for each vector that is masked, which software cannot write', () => {
    config.write(at + 2, 2, 0x8000);
    expect([0, 33, 64].map((vector) => msix.hold(vector))).toEqual([true, true, true]);
    word(0x3000, 0xffff_ffff);
    expect([read(0x3000, 4), read(0x3004, 4), read(0x3008, 4), read(0x300c, 4)]).toEqual([1, 2, 1, 0]);
    unmask(33);
    expect([unmasked, read(0x3004, 4)]).toEqual([[33], 0]);
  });

  it('keeps what is unmasked while MSI-X is off until it is on', () => {
    msix.hold(5);
    unmask(5);
    expect([unmasked, read(0x3000, 4)]).toEqual([[], 0x20]);
    config.write(at + 2, 2, 0x8000);
    expect([unmasked, read(0x3000, 4)]).toEqual([[5], 0]);
  });

  it('sends nothing while the function is masked, and everything that is pending after that', () => {
    config.write(at + 2, 2, 0xc000);
    for (const vector of [1, 64]) unmask(vector);
    expect([1, 64, 2].map((vector) => msix.hold(vector))).toEqual([true, true, true]);
    config.write(at + 2, 2, 0x8000);
    expect([unmasked, read(0x3000, 4)]).toEqual([[1, 64], 4]);
  });
});

const BAR: BarSpec = { index: 0, size: 0x1000, wide: false, prefetchable: false };
const BAR_AT = 0xfe00_0000;
const RID = 0x0008;
const FUNCTION: ConfigSpec = {
  ...PLAIN,
  bars: [BAR],
  msiVectors: 2,
  capabilities: { msix: { vectors: 4, table: { bar: 0, offset: 0x800 }, pending: { bar: 0, offset: 0x840 } } },
};
const MSIX = 0x90;

class Silent implements FunctionBehaviour {
  written: number[] = [];
  memoryRead(_bar: number, offset: number, into: Uint8Array): void {
    into[0] = offset;
  }
  memoryWrite(_bar: number, offset: number): void {
    this.written.push(offset);
  }
  completion(): void {}
}

describe('A function that interrupts', () => {
  let engine: Engine;
  let rootComplex: RootComplex;
  let fn: PcieFunction;
  let behaviour: Silent;
  let messages: [address: number, data: number][];

  const run = <T>(script: Script<T>): T => {
    const result = engine.runUntilDone(engine.spawn(script));
    engine.run();
    return result;
  };
  const configure = (offset: number, size: number, value: number) =>
    run(rootComplex.configWrite(RID, offset, size, value));
  const store = (offset: number, value: number) => run(rootComplex.mmioWrite(BAR_AT + offset, 4, BigInt(value)));
  const load = (offset: number) => Number(run(rootComplex.mmioRead(BAR_AT + offset, 4)));
  const interrupt = (vector: number) => run(fn.interrupt(vector));

  beforeEach(() => {
    engine = new Engine();
    messages = [];
    behaviour = new Silent();
    const memory = new PhysicalMemory([[0, 2 ** 20]]);
    const controller = new MemoryController(engine, memory, { latency: 100, bytesPerNanosecond: 16 });
    rootComplex = new RootComplex(engine, controller, ROOT_COMPLEX);
    fn = new PcieFunction({ ...FUNCTION, name: 'fn', requester: RID }, behaviour);
    rootComplex.connect(LINK, [fn]);
    rootComplex.onInterrupt = (address, data) => messages.push([address, data]);
    configure(0x10, 4, BAR_AT);
    configure(0x04, 2, 0x0006);
  });

  /** Gives each MSI-X vector n the data 0x60 + n, unmasked. */
  const programTable = () => {
    for (let vector = 0; vector < 4; vector++) {
      store(0x800 + vector * 16, 0xfee0_0000);
      store(0x808 + vector * 16, 0x60 + vector);
      store(0x80c + vector * 16, 0);
    }
  };

  it('sends nothing while neither MSI nor MSI-X is on', () => {
    expect([interrupt(0), messages]).toEqual([false, []]);
  });

  it('sends by MSI-X what its table says, in which base address 0 has a hole for it', () => {
    programTable();
    configure(MSIX + 2, 2, 0x8000);
    expect([interrupt(3), interrupt(0), interrupt(4)]).toEqual([true, true, false]);
    expect(messages).toEqual([
      [0xfee0_0000, 0x63],
      [0xfee0_0000, 0x60],
    ]);
    store(0x7fc, 1);
    expect([behaviour.written, load(0x818), load(0x10)]).toEqual([[0x7fc], 0x61, 0x10]);
  });

  it('sends a masked vector once it is unmasked, and once only', () => {
    programTable();
    configure(MSIX + 2, 2, 0x8000);
    store(0x81c, 1);
    expect([interrupt(1), interrupt(1), messages, load(0x840)]).toEqual([true, true, [], 2]);
    store(0x81c, 0);
    expect([messages, load(0x840)]).toEqual([[[0xfee0_0000, 0x61]], 0]);
  });

  it('sends all that is pending when the function mask goes', () => {
    programTable();
    configure(MSIX + 2, 2, 0xc000);
    for (const vector of [2, 0]) interrupt(vector);
    expect(messages).toEqual([]);
    configure(MSIX + 2, 2, 0x8000);
    expect(messages.map(([, data]) => data)).toEqual([0x60, 0x62]);
  });

  it('sends nothing while it is no bus master, masked or not', () => {
    programTable();
    configure(MSIX + 2, 2, 0x8000);
    store(0x80c, 1);
    interrupt(0);
    configure(0x04, 2, 0x0002);
    store(0x80c, 0);
    expect([interrupt(1), messages, fn.state.withheld]).toEqual([false, [], 2]);
  });

  it('forgets what is pending with a reset', () => {
    configure(MSIX + 2, 2, 0x8000);
    interrupt(0);
    fn.reset();
    configure(0x10, 4, BAR_AT);
    configure(0x04, 2, 0x0006);
    configure(MSIX + 2, 2, 0x8000);
    store(0x80c, 0);
    expect(messages).toEqual([]);
  });
});

describe('A function-level reset over the link', () => {
  it('is told to the device after its registers have forgotten everything', () => {
    const seen: number[] = [];
    const behaviour = Object.assign(new Silent(), {
      functionLevelReset: () => seen.push(fn.config.read(0x04, 2)),
    });
    const fn = new PcieFunction({ ...FUNCTION, pciExpress: { flr: true }, name: 'fn', requester: RID }, behaviour);
    fn.config.write(0x04, 2, 0x0006);
    fn.config.write(0x48, 2, 0x8000);
    expect(seen).toEqual([0]);
  });
});
