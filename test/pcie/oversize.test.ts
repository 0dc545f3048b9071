/** What carries more data than its receiver's Max_Payload_Size allows is malformed (PCIe 2.2.2, 6.2.4). */
import { describe, expect, it } from 'vitest';
import { Endpoint, LINK, Link, MessageCode, PcieFunction, type Tlp, TlpKind } from '../../hardware/pcie/index.ts';
import { Engine } from '../../hardware/sim/index.ts';
import { BAR_AT, DEVICE, RequesterBench } from './requester-bench.ts';
import { barOf, portOf, ROOT_PORT, ridOf, Tree, UPSTREAM } from './tree.ts';

const DEVICE_CONTROL = 0x48;
const FATAL_ERROR_ENABLE = 1 << 2;
const COMMAND = 0x04;
const MALFORMED_TLP = 1 << 18;
/** Uncorrectable Error Status, from the beginning of the capability. */
const STATUS = 4;

describe('A function', () => {
  const bench = () => {
    const written: number[] = [];
    const bench = new RequesterBench({
      behaviour: {
        memoryWrite: (_bar, _offset, _from, length) => written.push(length),
        deferrableWrite: () => true,
      },
      config: { capabilities: { aer: true } },
    });
    const { config } = bench.function;
    config.write(DEVICE_CONTROL, 2, (1 << 5) | FATAL_ERROR_ENABLE);
    return { bench, written, status: () => config.read(config.aer!.offset + STATUS, 4) };
  };
  const errorsOf = ({ asked }: RequesterBench) => asked.map(({ messageCode }) => messageCode);

  it('takes as much as Max_Payload_Size says, and no word more', () => {
    const { bench: board, written, status } = bench();
    board.send((tlp) => tlp.memoryWrite(0, 0, BAR_AT, 256));
    board.engine.run();
    expect([written, status(), errorsOf(board)]).toEqual([[256], 0, []]);
    // 65 words: 256 bytes that begin inside of one.
    board.send((tlp) => tlp.memoryWrite(0, 0, BAR_AT + 1, 256));
    board.engine.run();
    expect([written, status(), errorsOf(board)]).toEqual([[256], MALFORMED_TLP, [MessageCode.ERR_FATAL]]);
    expect(board.link.top.pool.taken).toBe(0);
  });

  it('logs the header of what it discards', () => {
    const { bench: board } = bench();
    board.send((tlp) => tlp.memoryWrite(0x1234, 0, BAR_AT, 260));
    board.engine.run();
    const { config } = board.function;
    const at = config.aer!.offset;
    // A memory write of 65 words with a 32-bit address, from 12:06.4, all bytes enabled.
    expect([0x1c, 0x20, 0x24].map((offset) => config.read(at + offset, 4) >>> 0)).toEqual([
      0x4000_0041,
      0x1234_00ff,
      BAR_AT,
    ]);
    expect(config.read(at + 0x18, 4) & 0x1f).toBe(18);
  });

  it('answers none of them, and takes no completion of them', () => {
    const { bench: board, status } = bench();
    board.send((tlp) => tlp.deferrableWrite(0, 5, 0, BAR_AT, 512));
    board.engine.run();
    expect([board.answers, status()]).toEqual([[], MALFORMED_TLP]);
    board.complete({ tag: 0 }, { data: new Uint8Array(260) });
    board.engine.run();
    expect(board.dma.state.unexpected).toBe(0);
  });

  it('of several remembers it with the others, and one of them tells', () => {
    const engine = new Engine();
    const link = new Link(engine, LINK, 'link');
    const functions = [0, 1].map((n) => withErrors(DEVICE + n));
    new Endpoint(engine, link.bottom, functions);
    const told: number[] = [];
    link.top.receive = (tlp) => {
      told.push(tlp.requester);
      link.top.release(tlp);
    };
    for (const { config } of functions) config.write(DEVICE_CONTROL, 2, FATAL_ERROR_ENABLE);
    // Nobody's: by the one that takes most, which is the second.
    functions[1]!.config.write(DEVICE_CONTROL, 2, (1 << 5) | FATAL_ERROR_ENABLE);
    const sizes = [256, 260];
    const logs = sizes.map((length) => {
      link.top.send(link.top.take().memoryWrite(0, 0, 0x5000, length));
      engine.run();
      return functions.map(({ config }) => config.read(config.aer!.offset + STATUS, 4));
    });
    expect([logs, told]).toEqual([
      [
        [0, 0],
        [MALFORMED_TLP, MALFORMED_TLP],
      ],
      [DEVICE],
    ]);
  });

  it('that may send nothing keeps eight errors to tell, whoever floods it; its registers remember', () => {
    const engine = new Engine();
    const link = new Link(engine, { ...LINK, credits: { PH: 1 } }, 'link');
    const fn = withErrors(DEVICE);
    new Endpoint(engine, link.bottom, [fn]);
    const held: Tlp[] = [];
    link.top.receive = (tlp) => held.push(tlp);
    fn.config.write(DEVICE_CONTROL, 2, FATAL_ERROR_ENABLE);
    for (let n = 0; n < 100; n++) {
      link.top.send(link.top.take().memoryWrite(0, 0, 0x5000, 260));
      engine.run();
    }
    expect(link.top.pool.taken).toBeLessThan(20);
    expect(fn.config.read(fn.config.aer!.offset + STATUS, 4)).toBe(MALFORMED_TLP);
    let told = 0;
    for (; held.length > 0; told++) {
      link.top.release(held.pop()!);
      engine.run();
    }
    // One had left at once.
    expect(told).toBe(9);
    link.top.send(link.top.take().memoryWrite(0, 0, 0x5000, 260));
    engine.run();
    expect(held, 'now there is room again').toHaveLength(1);
  });
});

/** A function that reports its errors. */
function withErrors(requester: number): PcieFunction {
  return new PcieFunction(
    {
      name: `function ${requester & 7}`,
      requester,
      vendor: 0x1234,
      device: 1,
      revision: 0,
      classCode: 0,
      bars: [],
      msiVectors: 0,
      payloadSupported: 512,
      capabilities: { aer: true },
    },
    { memoryRead: () => {}, memoryWrite: () => {}, completion: () => {} },
  );
}

/** A tree in which everybody takes 256 bytes but `narrow`, which takes 128. */
function tree(narrow: number): Tree {
  const tree = new Tree().bringUp();
  for (const rid of [ROOT_PORT, UPSTREAM, portOf(0), portOf(1), ridOf(0), ridOf(1)]) {
    tree.configure(rid, DEVICE_CONTROL, 2, rid === narrow ? 0 : 1 << 5);
  }
  return tree;
}

const status = (tree: Tree, name: string) => {
  const { config } = tree.bridges.get(name)!;
  return config.read(config.aer!.offset + STATUS, 4);
};

const sendUp = (tree: Tree, fill: (tlp: Tlp) => Tlp) => {
  const { bottom } = tree.links.find(({ name }) => name === 'port 0')!;
  bottom.send(fill(bottom.take()));
  tree.engine.run();
};

describe('A port', () => {
  const toHost = (tlp: Tlp) => tlp.memoryWrite(ridOf(0), 0, 0x1000, 256);
  const toPeer = (tlp: Tlp) => tlp.memoryWrite(ridOf(0), 0, barOf(1) + 0x1000, 256);

  it.each([
    ['a root port', 'root port', ROOT_PORT],
    ['a downstream port', 'port 0', portOf(0)],
  ])('that takes less discards what comes from below and is longer: %s', (_, name, rid) => {
    const whole = tree(-1);
    sendUp(whole, toHost);
    expect([whole.root.state.writes, status(whole, name)]).toEqual([1, 0]);
    const narrow = tree(rid);
    sendUp(narrow, toHost);
    expect([narrow.root.state.writes, status(narrow, name)]).toEqual([0, MALFORMED_TLP]);
    expect(narrow.links[0]!.top.pool.taken).toBe(0);
  });

  it('above a switch discards what comes from above', () => {
    const narrow = tree(UPSTREAM);
    const { top } = narrow.links[0]!;
    top.send(top.take().memoryWrite(0, 0, barOf(1) + 0x1000, 256));
    narrow.engine.run();
    expect(status(narrow, 'upstream')).toBe(MALFORMED_TLP);
    expect(narrow.switch.state.refused).toBe(1);
  });

  it('does not look at what it sends', () => {
    const narrow = tree(portOf(1));
    narrow.watch((tlp) => tlp.kind === TlpKind.MEMORY_WRITE);
    sendUp(narrow, toPeer);
    expect(narrow.way).toEqual(['port 0 upstream', 'port 1 downstream']);
    expect(status(narrow, 'port 1')).toBe(0);
  });

  it('of a bridge to a conventional bus discards what comes from above', () => {
    const board = tree(-1);
    const link = board.root.link(LINK, 'link');
    const { bridge, bus } = board.addPciBridge('pci', link.bottom);
    bus.bottom.receive = (tlp) => bus.bottom.release(tlp);
    const { config } = board.bridges.get('pci')!;
    config.write(0x20, 4, 0xe000_e000);
    config.write(COMMAND, 2, 0b110);
    for (const length of [128, 256]) link.top.send(link.top.take().memoryWrite(0, 0, 0xe000_0000, length));
    board.engine.run();
    expect([bridge.state.refused, status(board, 'pci'), bus.state.downstream.tlps]).toEqual([1, MALFORMED_TLP, 1]);
  });
});
