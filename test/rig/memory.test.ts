/** Memory of a rig: holes, host memory, host memory that fails, compare-and-exchange. */
import { describe, expect, it } from 'vitest';
import { MemoryOperation, PhysicalMemory } from '../../hardware/memory/index.ts';
import { type HostMemory, hostWindow } from '../../hardware/rig/memory.ts';
import { iotlbGlobal, SW, wait } from '../vtd/descriptors.ts';
import { Bench, BOTH, DATA, outcome, QUEUE, REG, SID, STATUS, tableAt } from '../vtd/tables.ts';

/** A host with 4 MiB and a list of what it was asked. */
class Host implements HostMemory {
  readonly bytes = new Uint8Array(0x40_0000);
  readonly log: string[] = [];
  read(address: bigint, length: number): Uint8Array {
    this.log.push(`read ${address.toString(16)} ${length}`);
    if (address + BigInt(length) > 0x40_0000n) throw new Error('bus error');
    return this.bytes.slice(Number(address), Number(address) + length);
  }
  write(address: bigint, bytes: Uint8Array): void {
    this.log.push(`write ${address.toString(16)} ${bytes.length}`);
    if (address + BigInt(bytes.length) > 0x40_0000n) throw new Error('bus error');
    this.bytes.set(bytes, Number(address));
  }
}

describe('Memory of a rig', () => {
  it('exists everywhere in 52 bits by default, and reads 0.', () => {
    const { rig } = new Bench();
    for (const address of [0n, 0x1234n, 1n << 40n, (1n << 52n) - 16n]) {
      expect([...rig.readMemory(address, 4)]).toEqual([0, 0, 0, 0]);
      rig.writeMemory(address, Uint8Array.of(1, 2));
      expect([...rig.readMemory(address, 4)]).toEqual([1, 2, 0, 0]);
    }
    expect([...rig.readMemory((1n << 52n) - 2n, 4)]).toEqual([0, 0, 0, 0]);
  });

  it('reads 0 where nothing is, and drops the bytes that are written there, byte by byte.', () => {
    const { rig } = new Bench({
      ram: [
        [0n, 0x1002n],
        [0x1004n, 0x1000n],
      ],
    });
    rig.writeMemory(0xffen, Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8));
    expect([...rig.readMemory(0xffen, 8)]).toEqual([1, 2, 3, 4, 0, 0, 7, 8]);
    rig.writeMemory(0xffff_ffff_ffff_ffffn, Uint8Array.of(1));
    expect([...rig.readMemory(0xffff_ffff_ffff_fff0n, 16)]).toEqual(new Array(16).fill(0));
    expect(rig.readMemory(0n, 0)).toEqual(new Uint8Array(0));
  });

  it('does not exist at all when ram is an empty list.', () => {
    const bench = new Bench({ ram: [] }).enable();
    expect(outcome(bench.read(0n))).toBe('08h');
  });

  it('is not shared with what the host handed in or got back.', () => {
    const { rig } = new Bench();
    const bytes = Uint8Array.of(1, 2, 3, 4);
    rig.writeMemory(0n, bytes);
    bytes.fill(9);
    const got = rig.readMemory(0n, 4);
    got.fill(9);
    expect([...rig.readMemory(0n, 4)]).toEqual([1, 2, 3, 4]);
  });
});

describe('Memory that the host brings', () => {
  it('holds tables, queue, status and data.', () => {
    const memory = new Host();
    const bench = new Bench({ memory }).usual().enable().enableQueue();
    expect(bench.write(0x10n)).toMatchObject({ ok: true });
    expect([...memory.bytes.subarray(Number(DATA) + 0x10, Number(DATA) + 0x14)]).toEqual([1, 2, 3, 4]);
    bench.submit(iotlbGlobal(), wait(SW, 0x1234_5678, STATUS));
    expect(new DataView(memory.bytes.buffer).getUint32(Number(STATUS), true)).toBe(0x1234_5678);
    expect(memory.log).toContain(`read ${QUEUE.toString(16)} 16`);
  });

  it('is read once per entry, at its whole width, and not at all on a hit.', () => {
    const memory = new Host();
    const bench = new Bench({ memory }).usual().enable();
    memory.log.length = 0;
    bench.rig.translate({ requester: SID, address: 0n, write: false });
    expect(memory.log).toEqual([
      'read 1000 16',
      'read 2180 16',
      ...[4, 3, 2, 1].map((level) => `read ${tableAt(level).toString(16)} 8`),
    ]);
    memory.log.length = 0;
    bench.rig.translate({ requester: SID, address: 0x123n, write: true });
    expect(memory.log).toEqual([]);
  });

  it('that throws, or gives fewer bytes, is an access that resulted in an error.', () => {
    const memory = new Host();
    const bench = new Bench({ memory, dt: true }).usual().enable();
    for (const short of [false, true]) {
      const read = memory.read.bind(memory);
      memory.read = short
        ? (address, length) => read(address, length).subarray(1)
        : () => {
            throw new Error('no');
          };
      expect(outcome(bench.read(0x1000n))).toBe('08h');
      memory.read = read;
      bench.acknowledge();
    }
    bench.entry(1, 0, 0x1000_0000n | BOTH);
    expect(bench.read(0n)).toEqual({ ok: false, status: 'UR' });
    expect(bench.write(0n)).toEqual({ ok: false, status: 'dropped' });
    expect([...bench.rig.readMemory(0x1000_0000n, 2)]).toEqual([0, 0]);
    bench.rig.writeMemory(0x1000_0000n, Uint8Array.of(1));
    bench.enableQueue();
    memory.read = () => {
      throw new Error('no');
    };
    bench.set(REG.IQT, 0x10n);
    expect(bench.get(REG.IQERCD, 8) & 0xfn).toBe(2n);
  });

  it('is asked only within ram, with addresses as they are.', () => {
    const memory = new Host();
    const bench = new Bench({
      memory,
      ram: [
        [0x1000n, 0x1000n],
        [0x10_0000n, 0x1000n],
      ],
    });
    expect(bench.read(0x2000n)).toEqual({ ok: false, status: 'UR' });
    expect(bench.read(0x1ffcn)).toMatchObject({ ok: true });
    expect(bench.write(0x10_0ff0n)).toMatchObject({ ok: true });
    expect(memory.log).toEqual(['read 1ffc 4', 'write 100ff0 4']);
  });

  it('may keep the bytes it is given: nobody changes them later.', () => {
    const kept: Uint8Array[] = [];
    const bench = new Bench({
      memory: {
        read: (_, length) => new Uint8Array(length),
        write: (_, bytes) => {
          kept.push(bytes);
        },
      },
    });
    const data = Uint8Array.of(1, 2, 3, 4);
    bench.write(0n, SID, data);
    data.fill(9);
    expect(kept.map((bytes) => [...bytes])).toEqual([[1, 2, 3, 4]]);
  });
});

describe('compareExchange64 of a host', () => {
  const exchange = (host: HostMemory) => {
    const memory = new PhysicalMemory([]);
    memory.map(0x1000, 0x1000, hostWindow(host, 0x1000));
    const operation = new MemoryOperation().compareExchange(0x1008, 1, 2, 3, 4);
    memory.perform(operation);
    return { ok: operation.ok, found: [operation.words[0], operation.words[1]] };
  };

  it('is used where there is one, and keeps its `this`.', () => {
    const asked: unknown[] = [];
    const host = Object.assign(new Host(), {
      compareExchange64(this: unknown, ...all: bigint[]) {
        asked.push([this === host, ...all]);
        return 0x6_0000_0005n;
      },
    });
    expect(exchange(host)).toEqual({ ok: true, found: [5, 6] });
    expect(asked).toEqual([[true, 0x1008n, 0x2_0000_0001n, 0x4_0000_0003n]]);
    expect(host.log).toEqual([]);
  });

  it('is a read and a write where there is none.', () => {
    const host = new Host();
    expect(exchange(host)).toEqual({ ok: true, found: [0, 0] });
    expect(host.log).toEqual(['read 1008 8']);
    new DataView(host.bytes.buffer).setBigUint64(0x1008, 0x2_0000_0001n, true);
    expect(exchange(host)).toEqual({ ok: true, found: [1, 2] });
    expect(host.log.slice(1)).toEqual(['read 1008 8', 'write 1008 8']);
  });

  it('that throws is an access that resulted in an error.', () => {
    const host = Object.assign(new Host(), {
      compareExchange64(): bigint {
        throw new Error('no');
      },
    });
    expect(exchange(host).ok).toBe(false);
  });
});
