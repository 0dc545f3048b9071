/** A bridge to a conventional bus: what its devices ask for carries its own id (PCI Express to PCI/PCI-X Bridge Specification, 2.3). */
import { describe, expect, it } from 'vitest';
import { DMA_ENGINE, DmaEngine } from '../../hardware/devices/dma-engine/index.ts';
import { BUFFER_OFFSET } from '../../hardware/devices/dma-engine/spec.ts';
import { MemoryController, PhysicalMemory } from '../../hardware/memory/index.ts';
import {
  Bridge,
  bridgeConfig,
  ConfigSpace,
  Endpoint,
  LINK,
  PciBridge,
  RootComplex,
  requesterId,
  type Tlp,
} from '../../hardware/pcie/index.ts';
import { Engine, type Script } from '../../hardware/sim/index.ts';

const ROOT_PORT = requesterId(0, 0x1c, 0);
const BRIDGE = requesterId(1, 0, 0);
const ALIAS = requesterId(2, 0, 0);
const DEVICES = [requesterId(2, 1, 0), requesterId(2, 2, 0)];
const bar = (n: number) => 0xe000_0000 + n * 0x1_0000;
const WINDOW = 0xe000_e000;
const NO_WINDOW = 0xfff0;
const START_READ = 0b001n;
const START_WRITE = 0b011n;
const DONE = 0b10;
const ERROR = 0b100;

/** bus 0 -- root port -- bus 1 -- bridge -- bus 2, two DMA engines on it. */
function conventionalBus() {
  const engine = new Engine();
  const memory = new PhysicalMemory([[0, 2 ** 24]]);
  const root = new RootComplex(engine, new MemoryController(engine, memory, { latency: 100, bytesPerNanosecond: 16 }));
  const bridgeOf = (kind: 'root port' | 'PCI bridge', fn: number) =>
    new Bridge(kind, new ConfigSpace(bridgeConfig(kind)), fn & 0xff);
  const [link, bus] = [root.link(LINK, 'root port'), root.link(LINK, 'bus')];
  root.addPort(ROOT_PORT, bridgeOf('root port', ROOT_PORT), link);
  const bridge = new PciBridge('pci', { bridge: bridgeOf('PCI bridge', 0), end: link.bottom }, bus.top);
  const devices = DEVICES.map((requester, n) => new DmaEngine(engine, { ...DMA_ENGINE, name: `pci${n}`, requester }));
  new Endpoint(
    engine,
    bus.bottom,
    devices.flatMap(({ functions }) => functions),
  );
  const run = <T>(script: Script<T>): T => {
    const result = engine.runUntilDone(engine.spawn(script));
    engine.run();
    return result;
  };
  const configure = (rid: number, offset: number, size: number, value: number) =>
    run(root.configWrite(rid, offset, size, value));
  const open = (rid: number, buses: number) => {
    configure(rid, 0x18, 4, buses);
    configure(rid, 0x20, 4, WINDOW);
    configure(rid, 0x24, 4, NO_WINDOW);
    configure(rid, 0x04, 2, 0b110);
  };
  open(ROOT_PORT, 0x02_01_00);
  open(BRIDGE, 0x02_02_01);
  DEVICES.forEach((rid, n) => {
    configure(rid, 0x10, 4, bar(n));
    configure(rid, 0x14, 4, 0);
    configure(rid, 0x04, 2, 0b110);
  });
  const begin = (n: number, address: number, command: bigint, length: number) =>
    run(
      (function* () {
        yield* root.mmioWrite(bar(n) + 0x08, 8, BigInt(address));
        yield* root.mmioWrite(bar(n) + 0x10, 4, BigInt(length));
        yield* root.mmioWrite(bar(n) + 0x18, 4, command);
      })(),
    );
  const transfer = (n: number, address: number, command: bigint, length = 64): number => {
    begin(n, address, command, length);
    return Number(run(root.mmioRead(bar(n) + 0x1c, 4)));
  };
  const seen: { requester: number; tag: number }[] = [];
  link.probe = ({ isMemoryRequest, requester, tag }: Tlp, direction) => {
    if (isMemoryRequest && direction === 'upstream') seen.push({ requester, tag });
  };
  return { engine, memory, root, bridge, devices, link, bus, run, configure, transfer, seen };
}

describe('A bridge to a conventional bus', () => {
  it('asks under function 0 of the bus below for whatever its devices ask', () => {
    const { transfer, seen, bridge } = conventionalBus();
    transfer(0, 0x1000, START_WRITE);
    transfer(1, 0x2000, START_READ);
    expect(seen.map(({ requester }) => requester)).toEqual([ALIAS, ALIAS]);
    expect(bridge.state).toEqual({ aliased: 2, refused: 0 });
  });

  it('gives each device what it asked for, although all have the same tags', () => {
    const { memory, run, root, transfer } = conventionalBus();
    memory.write64(0x1000, 0x1111n);
    memory.write64(0x2000, 0x2222n);
    expect([transfer(0, 0x1000, START_READ), transfer(1, 0x2000, START_READ)].map((status) => status & DONE)).toEqual([
      DONE,
      DONE,
    ]);
    expect([0, 1].map((n) => run(root.mmioRead(bar(n) + BUFFER_OFFSET, 8)))).toEqual([0x1111n, 0x2222n]);
  });

  it('serves more reads than it has tags', () => {
    const { transfer, memory, configure, run, root, seen } = conventionalBus();
    for (let i = 0; i < 512; i++) memory.write64(0x4000 + i * 8, BigInt(i));
    // The smallest reads: 32 of 128 bytes.
    configure(DEVICES[0]!, 0x48, 2, 0);
    expect(transfer(0, 0x4000, START_READ, 4096) & (DONE | ERROR)).toBe(DONE);
    expect(run(root.mmioRead(bar(0) + BUFFER_OFFSET + 4088, 8))).toBe(511n);
    expect(Math.max(...seen.map(({ tag }) => tag))).toBeLessThan(32);
  });

  it('passes what one device sends to another back to the bus', () => {
    const { transfer, run, root, seen } = conventionalBus();
    run(root.mmioWrite(bar(0) + BUFFER_OFFSET, 8, 0x1234n));
    transfer(0, bar(1) + BUFFER_OFFSET, START_WRITE, 8);
    expect(run(root.mmioRead(bar(1) + BUFFER_OFFSET, 8))).toBe(0x1234n);
    expect(seen).toEqual([]);
  });

  it('passes what one device answers another back to the bus', () => {
    const { transfer, run, root, seen } = conventionalBus();
    run(root.mmioWrite(bar(1) + BUFFER_OFFSET, 8, 0x5678n));
    expect(transfer(0, bar(1) + BUFFER_OFFSET, START_READ, 8) & (DONE | ERROR)).toBe(DONE);
    expect(run(root.mmioRead(bar(0) + BUFFER_OFFSET, 8))).toBe(0x5678n);
    expect(seen).toEqual([]);
  });

  it('lets nothing up while its Bus Master Enable is 0', () => {
    const { transfer, configure, root } = conventionalBus();
    configure(BRIDGE, 0x04, 2, 0b010);
    expect(transfer(0, 0x1000, START_READ) & ERROR).toBe(ERROR);
    expect(root.state).toMatchObject({ reads: 0 });
  });

  it('refuses a completion that answers nothing', () => {
    const { link, engine, bridge } = conventionalBus();
    link.top.send(link.top.take().answer(ALIAS, 7, 0, 0, 4).withData(0, 4));
    engine.run();
    expect(bridge.state.refused).toBe(1);
    expect(link.top.pool.taken).toBe(0);
  });
});
