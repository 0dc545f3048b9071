import { describe, expect, it } from 'vitest';
import { ConfigSpace, ErrorMessage, UncorrectableError } from '../../hardware/pcie/index.ts';
import { BAR_0, EVERYTHING, find, findExtended, HEADER, PLAIN, ROOT_PORT } from './config-functions.ts';

/** Ids and offsets along a list. */
function walk(config: ConfigSpace): [id: number, at: number][] {
  const list: [number, number][] = [];
  for (let at = config.read(0x34, 1); at !== 0; at = config.read(at + 1, 1)) list.push([config.read(at, 1), at]);
  return list;
}

function walkExtended(config: ConfigSpace): [id: number, version: number, at: number][] {
  const list: [number, number, number][] = [];
  for (let at = 0x100; at !== 0; at = config.read(at + 2, 2) >>> 4) {
    list.push([config.read(at, 2), config.read(at + 2, 1) & 15, at]);
  }
  return list;
}

describe('The lists of capabilities', () => {
  it('begin at the capabilities pointer with PCI Express at 0x40, and have MSI at 0x80', () => {
    expect(walk(new ConfigSpace(EVERYTHING))).toEqual([
      [0x10, 0x40],
      [0x05, 0x80],
      [0x01, 0xa0],
      [0x11, 0xb0],
    ]);
  });

  it('have the extended ones from 0x100 on, each with its version', () => {
    expect(walkExtended(new ConfigSpace(EVERYTHING))).toEqual([
      [0x01, 2, 0x100],
      [0x03, 1, 0x150],
      [0x0d, 1, 0x160],
      [0x0e, 1, 0x170],
      [0x10, 1, 0x180],
      [0x0f, 1, 0x1c0],
      [0x13, 1, 0x1d0],
      [0x1b, 1, 0x1e0],
      [0x23, 1, 0x1f0],
    ]);
  });

  it('are one capability and none for a plain function', () => {
    const config = new ConfigSpace(PLAIN);
    expect([walk(config), config.read(0x100, 4)]).toEqual([[[0x10, 0x40]], 0]);
  });

  it('have MSI first in a conventional function', () => {
    const config = new ConfigSpace({ ...PLAIN, conventional: true, msiVectors: 1 });
    expect([walk(config), config.maxPayload, config.maxReadRequest]).toEqual([[[0x05, 0x40]], 128, 128]);
  });

  it('are refused where they cannot be', () => {
    const spec = { ...PLAIN, conventional: true, capabilities: { aer: true } };
    expect(() => new ConfigSpace(spec)).toThrow('no extended capabilities');
    const pending = { bar: 0, offset: 0xfff8 };
    const msix = { vectors: 65, table: { bar: 0, offset: 0 }, pending };
    expect(() => new ConfigSpace({ ...PLAIN, bars: [BAR_0], capabilities: { msix } })).toThrow('which has 65536');
    const overlapping = { vectors: 65, table: { bar: 0, offset: 0 }, pending: { bar: 0, offset: 0x400 } };
    expect(() => new ConfigSpace({ ...PLAIN, bars: [BAR_0], capabilities: { msix: overlapping } })).toThrow(
      'not apart',
    );
  });
});

describe('The serial number', () => {
  it('is an EUI-64, low half first', () => {
    const config = new ConfigSpace(EVERYTHING);
    const at = findExtended(config, 0x03);
    expect([config.read(at + 4, 4), config.read(at + 8, 4)]).toEqual([0x4455_6677, 0x0011_2233]);
  });
});

describe('Scalable I/O Virtualization', () => {
  it('is DVSEC 5 of vendor 0x8086, 24 bytes long, and says of the interrupt message store', () => {
    const config = new ConfigSpace(EVERYTHING);
    const at = findExtended(config, 0x23);
    const words = [4, 8, 0x0c, 0x10, 0x14].map((offset) => config.read(at + offset, 4));
    expect(words).toEqual([0x0180_8086, 5, 1, 1, 1]);
  });
});

describe('The PCI Express capability', () => {
  const at = 0x40;

  it('says what the function is, how it is reset and which tags it has', () => {
    const config = new ConfigSpace(EVERYTHING);
    expect([config.read(at + 2, 2), config.read(at + 4, 4), config.read(at + 0x24, 4)]).toEqual([
      0x0002,
      0x1000_8022,
      (3 << 16) | (1 << 21) | (3 << 7) | 0x1f,
    ]);
    expect(new ConfigSpace(ROOT_PORT).read(at + 2, 2)).toBe(0x0042);
  });

  it('comes out of reset with relaxed ordering and no-snoop allowed and reads of 512 bytes', () => {
    const config = new ConfigSpace(EVERYTHING);
    const { relaxedOrdering, noSnoop, tags } = config.pciExpress!;
    expect([config.read(at + 8, 2), relaxedOrdering, noSnoop, tags]).toEqual([0x2810, true, true, 32]);
    config.write(at + 8, 2, 0);
    expect([config.pciExpress!.relaxedOrdering, config.pciExpress!.noSnoop, config.maxReadRequest]).toEqual([
      false,
      false,
      128,
    ]);
  });

  it('allows 256 tags, and 1024 to a function that has them', () => {
    const config = new ConfigSpace(EVERYTHING);
    config.write(at + 8, 2, 1 << 8);
    expect(config.pciExpress!.tags).toBe(256);
    config.write(at + 0x28, 2, 1 << 12);
    expect(config.pciExpress!.tags).toBe(1024);
    const plain = new ConfigSpace(PLAIN);
    plain.write(at + 0x28, 2, 1 << 12);
    expect(plain.pciExpress!.tags).toBe(32);
  });

  it('never lets a payload grow beyond what the function can handle, nor a read beyond 4 KiB', () => {
    const config = new ConfigSpace(EVERYTHING);
    config.write(at + 8, 2, (7 << 5) | (7 << 12));
    expect([config.maxPayload, config.maxReadRequest]).toEqual([512, 4096]);
  });

  it('has what concerns ports in ports only', () => {
    const port = new ConfigSpace(ROOT_PORT);
    const endpoint = new ConfigSpace(EVERYTHING);
    const links: boolean[] = [];
    port.pciExpress!.onLinkDisable = (disabled) => links.push(disabled);
    for (const config of [port, endpoint]) {
      config.write(at + 0x28, 2, (1 << 5) | (1 << 6) | (1 << 7) | (1 << 8) | (1 << 15));
      config.write(at + 0x10, 2, (1 << 3) | (1 << 4));
    }
    expect([port.read(at + 0x28, 2), endpoint.read(at + 0x28, 2)]).toEqual([0x81e0, 0x0140]);
    expect([port.read(at + 0x10, 2), endpoint.read(at + 0x10, 2)]).toEqual([0x18, 0x08]);
    const { ariForwarding, atomicEgressBlocking, prefixEgressBlocking, readCompletionBoundary } = port.pciExpress!;
    expect([ariForwarding, atomicEgressBlocking, prefixEgressBlocking]).toEqual([true, true, true]);
    expect([readCompletionBoundary, endpoint.pciExpress!.atomicRequester]).toEqual([128, true]);
    expect(links).toEqual([true]);
  });

  it('says of its link what it is, and of none where there is none', () => {
    const config = new ConfigSpace(EVERYTHING);
    config.describePlace(5, 16, false);
    expect([config.read(at + 0x0c, 4), config.read(at + 0x12, 2), config.read(at + 0x2c, 4)]).toEqual([
      0x105, 0x105, 0x3e,
    ]);
    const integrated = new ConfigSpace({ ...PLAIN, portType: 9 });
    integrated.describePlace(5, 16, false);
    integrated.write(at + 0x10, 2, 0xffff);
    expect([integrated.read(at + 0x0c, 4), integrated.read(at + 0x10, 4)]).toEqual([0, 0]);
  });

  it('shows that a request is not completed', () => {
    const config = new ConfigSpace(PLAIN);
    config.pciExpress!.transactionsPending = true;
    expect(config.read(at + 0x0a, 2)).toBe(0x20);
    config.pciExpress!.transactionsPending = false;
    expect(config.read(at + 0x0a, 2)).toBe(0);
  });
});

describe('A function-level reset', () => {
  it('resets the registers and tells the function, but keeps the payload size, the link controls and what is sticky', () => {
    const config = new ConfigSpace(EVERYTHING);
    let resets = 0;
    config.onFlr = () => resets++;
    config.write(0x04, 2, 0x0006);
    config.write(0x10, 4, 0xe000_0000);
    config.write(0x48, 2, (2 << 5) | (5 << 12) | (1 << 8));
    config.write(0x50, 2, 1 << 3);
    const aer = findExtended(config, 0x01);
    config.write(aer + 8, 4, 1 << 20);
    config.report({ error: UncorrectableError.COMPLETION_TIMEOUT, header: HEADER, advisory: false });
    config.write(0x48, 2, (2 << 5) | (1 << 15));
    expect(resets).toBe(1);
    expect([config.read(0x04, 2), config.read(0x10, 4), config.read(0x48, 4)]).toEqual([0, 0xc, 0x2810 | (2 << 5)]);
    expect([config.read(0x50, 2), config.maxPayload]).toEqual([8, 512]);
    expect([config.read(aer + 4, 4), config.read(aer + 8, 4), config.read(aer + 0x18, 1)]).toEqual([
      1 << 14,
      1 << 20,
      14,
    ]);
  });

  it('is not had by a function that does not say so', () => {
    const config = new ConfigSpace(PLAIN);
    let resets = 0;
    config.onFlr = () => resets++;
    config.write(0x04, 2, 0x0006);
    config.write(0x48, 2, 1 << 15);
    expect([resets, config.read(0x04, 2), config.read(0x48, 2)]).toEqual([0, 6, 0]);
  });

  it('is stronger when it is of the link: the payload size goes, too', () => {
    const config = new ConfigSpace(EVERYTHING);
    const aer = findExtended(config, 0x01);
    config.write(aer + 8, 4, 1 << 20);
    config.write(0x48, 2, 2 << 5);
    config.conventionalReset();
    expect([config.maxPayload, config.read(aer + 8, 4)]).toEqual([128, 1 << 20]);
    config.reset();
    expect(config.read(aer + 8, 4)).toBe(0x0240_0000);
  });
});

describe('Power management', () => {
  const makeAwake = (noSoftReset: boolean) => {
    const config = new ConfigSpace({ ...EVERYTHING, capabilities: { powerManagement: { noSoftReset } } });
    config.write(0x04, 2, 0x0006);
    config.write(0x10, 4, 0xe000_0000);
    return { config, pm: find(config, 0x01) };
  };

  it('keeps a function in D3hot from sending and from answering', () => {
    const { config, pm } = makeAwake(true);
    let changes = 0;
    config.onDecode = () => changes++;
    config.write(pm + 4, 2, 3);
    expect([config.busMaster, config.barAt(BAR_0), changes]).toEqual([false, -1, 1]);
    config.write(pm + 4, 2, 0);
    expect([config.busMaster, config.barAt(BAR_0), changes]).toEqual([true, 0xe000_0000, 2]);
  });

  it('resets a function that leaves D3hot without No Soft Reset', () => {
    const { config, pm } = makeAwake(false);
    let resets = 0;
    config.onFlr = () => resets++;
    config.write(pm + 4, 2, 3);
    config.write(pm + 4, 2, 0);
    expect([resets, config.read(0x04, 2), config.read(0x10, 4)]).toEqual([1, 0, 0xc]);
  });

  it('does not take a state that the function does not have', () => {
    const { config, pm } = makeAwake(true);
    config.write(pm + 4, 2, 3);
    config.write(pm + 4, 2, 1);
    expect(config.read(pm + 4, 2)).toBe(0x000b);
  });
});

describe('Errors without an AER capability', () => {
  it('are remembered in Device Status, and told if Device Control says so', () => {
    const config = new ConfigSpace(PLAIN);
    const found = { error: UncorrectableError.UNSUPPORTED_REQUEST, header: HEADER, advisory: false };
    expect(config.report(found)).toBe(ErrorMessage.NONE);
    expect(config.read(0x4a, 2)).toBe(0x000a);
    config.write(0x48, 2, 0x000f);
    expect(config.report(found)).toBe(0x31);
    expect(config.report({ ...found, advisory: true })).toBe(0x30);
    expect(config.report({ ...found, error: UncorrectableError.MALFORMED_TLP })).toBe(0x33);
    expect(config.read(0x4a, 2)).toBe(0x000f);
  });
});
