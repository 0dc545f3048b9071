/** What a host may ask of a rig: every option, every field of a request, and its refusal by name. */
import { describe, expect, it } from 'vitest';
import { createRig, NotSupported, type RigOptions } from '../../hardware/index.ts';

/** ND=6, SAGAW=48 and 39 bits, MGAW=48, FRO=22h, SSLPS=3, PSI, MAMV=18; QI, IRO=0Fh. */
const intel = { ver: 0x10n, cap: 0x00d2_008c_222f_0606n, ecap: 0xf02n };
const make = (more: object = {}) => createRig({ vendor: 'intel', capabilities: intel, ...more } as RigOptions);

describe('createRig', () => {
  it('makes a rig whose registers show the capabilities.', () => {
    const rig = make();
    expect(rig.vendor).toBe('intel');
    expect([rig.readRegister(0, 4), rig.readRegister(8, 8), rig.readRegister(0x10, 8)]).toEqual(Object.values(intel));
    expect([rig.readRegister(8, 4), rig.readRegister(12, 4)]).toEqual([0x222f_0606n, 0x00d2_008cn]);
  });

  it('takes every option.', () => {
    const rig = make({
      hostAddressWidth: 39,
      ram: [[0n, 0x1000n]],
      memory: { read: () => new Uint8Array(4), write: () => {} },
      onMsi: () => {},
      assumeCoherentWalks: true,
    });
    expect(rig.readRegister(0, 4)).toBe(0x10n);
  });

  it.each([
    [{ vendro: 'intel' }, 'createRig: unknown option "vendro"'],
    [{ vendor: 'arm' }, 'vendor must be "intel" or "amd", not arm'],
    [{ vendor: undefined }, 'vendor must be'],
    [{ capabilities: undefined }, 'capabilities must be an object'],
    [{ capabilities: null }, 'capabilities must be an object'],
    [
      { capabilities: { ...intel, efr: 1n } },
      'createRig: capabilities: unknown option "efr"; accepted: ver, cap, ecap',
    ],
    [{ capabilities: { ver: 0x10n, cap: intel.cap } }, 'ecap must be a bigint from 0 to 2^64 - 1'],
    [{ capabilities: { ...intel, cap: 5 } }, 'cap must be a bigint'],
    [{ capabilities: { ...intel, ver: -1n } }, 'ver must be a bigint'],
    [{ capabilities: { ...intel, cap: 1n << 64n } }, 'cap must be a bigint'],
    [{ hostAddressWidth: 31 }, 'hostAddressWidth must be a whole number from 32 to 52, not 31'],
    [{ hostAddressWidth: 53 }, 'hostAddressWidth'],
    [{ hostAddressWidth: 40.5 }, 'hostAddressWidth'],
    [{ hostAddressWidth: 48n }, 'hostAddressWidth'],
    [{ ram: [[0, 4096]] }, 'ram must be a list of [start, length] pairs of bigints'],
    [{ ram: [[0n]] }, 'ram must be'],
    [{ ram: 'all' }, 'ram must be'],
    [{ ram: [[0n, 0n]] }, 'ram: [0x0, 0x0] is not within 52 bits'],
    [{ ram: [[1n << 51n, (1n << 51n) + 1n]] }, 'is not within 52 bits'],
    [{ memory: {} }, 'memory must be an object with read and write functions'],
    [{ memory: { read: () => new Uint8Array(0) } }, 'memory must be'],
    [{ memory: null }, 'memory must be'],
    [{ onMsi: 5 }, 'onMsi must be a function'],
    [{ assumeCoherentWalks: 'yes' }, 'assumeCoherentWalks must be true or false'],
  ])('refuses %o by a sentence that names it.', (more, sentence) => {
    expect(() => make(more)).toThrow(sentence);
    expect(() => make(more)).not.toThrow(NotSupported);
  });

  it.each([[{ ...intel, cap: intel.cap & ~0x1f00n }, 'CAP.SAGAW']])(
    'tells what does not exist yet: %o.',
    (capabilities, what) => {
      expect(() => make({ capabilities })).toThrow(NotSupported);
      expect(() => make({ capabilities })).toThrow(what);
    },
  );

  it("checks AMD's options as it does Intel's.", () => {
    const amd = { vendor: 'amd', capabilities: { efr: 0n } } as const;
    expect(createRig(amd).vendor).toBe('amd');
    expect(() => createRig({ ...amd, capabilities: { efr: 0n, efr3: 0n } as never })).toThrow('"efr3"');
    expect(() => createRig({ ...amd, capabilities: {} as never })).toThrow('efr must be');
  });

  it('refuses registers that the capabilities put on top of each other.', () => {
    expect(() => make({ capabilities: { ...intel, ecap: 2n } })).toThrow('overlaps another register');
  });
});

describe('A request', () => {
  const good = { requester: 8, address: 0n, write: false, length: 4 };
  it.each([
    [{ ...good, lenght: 4 }, 'unknown option "lenght"'],
    [{ ...good, requester: undefined }, 'requester must be a whole number from 0 to 0xffff'],
    [{ ...good, requester: 0x1_0000 }, 'requester'],
    [{ ...good, requester: -1 }, 'requester'],
    [{ ...good, pasid: 0x10_0000 }, 'pasid must be a whole number from 0 to 0xfffff'],
    [{ ...good, pasid: -1 }, 'pasid'],
    [{ ...good, privileged: 1 }, 'privileged must be true or false'],
    [{ ...good, execute: 'no' }, 'execute must be true or false'],
    [{ ...good, addressType: 'translation' }, 'addressType must be "untranslated" or "translated"'],
    [{ ...good, address: 0 }, 'address must be a bigint'],
    [{ ...good, address: -1n }, 'address must be a bigint'],
    [{ ...good, address: 1n << 64n }, 'address must be a bigint'],
    [{ ...good, write: undefined }, 'write must be true or false'],
    [{ ...good, length: -1 }, 'length must be a whole number'],
    [{ ...good, length: 2 ** 24 + 1 }, 'length must be a whole number'],
    [{ ...good, length: 1.5 }, 'length must be a whole number'],
  ])('%o is refused by a sentence that names the field.', (request, sentence) => {
    const rig = make();
    expect(() => rig.dma(request as never)).toThrow(`dma: ${sentence.startsWith('unknown') ? sentence : ''}`);
    expect(() => rig.dma(request as never)).toThrow(sentence);
    expect(() => rig.translate(request as never)).toThrow(sentence);
  });

  it('to translate has no data, and a DMA no probe.', () => {
    const rig = make();
    expect(() => rig.translate({ ...good, data: new Uint8Array(4) } as never)).toThrow('unknown option "data"');
    expect(() => rig.dma({ ...good, probe: true } as never)).toThrow('unknown option "probe"');
    expect(() => rig.translate({ ...good, probe: 1 } as never)).toThrow('probe must be true or false');
  });

  it('to write needs data, and one to read a length.', () => {
    const rig = make();
    const write = { requester: 8, address: 0n, write: true };
    expect(() => rig.dma(write)).toThrow('a write needs data');
    expect(() => rig.dma({ ...write, data: new Uint8Array(0) })).toThrow('a write needs data');
    expect(() => rig.dma({ ...write, data: [1, 2] as never })).toThrow('data must be a Uint8Array');
    expect(() => rig.dma({ requester: 8, address: 0n, write: false })).toThrow('a read needs length');
    expect(() => rig.dma({ ...good, data: new Uint8Array(4) })).toThrow('a read needs length, and no data');
  });
});
