import { describe, expect, it } from 'vitest';
import { InputError, type MachineInput, presets, resolveSpec } from '../../src/machine/index.ts';

function complaint(input: unknown, settings: readonly string[] = []): string {
  try {
    resolveSpec(input as MachineInput, settings);
  } catch (error) {
    expect(error).toBeInstanceOf(InputError);
    return (error as InputError).message;
  }
  throw new Error('the specification was accepted');
}

describe('a machine specification', () => {
  it('is complete and valid in every preset, whose name it carries', () => {
    for (const [name, preset] of Object.entries(presets)) {
      expect(resolveSpec(name)).toEqual(preset);
      expect(preset.name).toBe(name);
    }
  });

  it('is plain JSON', () => {
    for (const name of Object.keys(presets))
      expect(JSON.parse(JSON.stringify(resolveSpec(name)))).toEqual(resolveSpec(name));
  });

  it('takes what a file leaves out from the preset that it names', () => {
    const spec = resolveSpec({ preset: 'intel-legacy-39', iommu: { iotlb: { ways: 4 } } });
    expect(spec.iommu.iotlb).toEqual({ sets: 1, ways: 4, policy: 'lru', '2M': null, '1G': null });
    expect(spec.iommu).toHaveProperty('cap', '0x80d2008c22260206');
  });

  it('gives the IOTLB a policy, and large pages arrays of their own', () => {
    const large = { sets: 4, ways: 2, policy: 'plru' } as const;
    const spec = resolveSpec({ iommu: { iotlb: { policy: 'fifo', '2M': large } } }, [
      'iommu.iotlb.1G={"sets":1,"ways":4}',
    ]);
    expect(spec.iommu.iotlb).toEqual({
      sets: 1,
      ways: 128,
      policy: 'fifo',
      '2M': large,
      '1G': { sets: 1, ways: 4, policy: 'lru' },
    });
  });

  it('replaces a list as a whole', () => {
    const devices = [{ name: 'disk', model: 'dma-engine', at: '00:1f.0' }] as const;
    expect(resolveSpec({ devices: [...devices] }).devices).toMatchObject(devices);
  });

  it('takes settings one after the other, as JSON values or else as text', () => {
    const spec = resolveSpec('intel-legacy', ['iommu.iotlb.ways=4', 'name=mine', 'devices.1.name=disk', 'name=yours']);
    expect(spec.iommu.iotlb.ways).toBe(4);
    expect(spec.name).toBe('yours');
    expect(spec.devices.map(({ name }) => name)).toEqual(['dma0', 'disk', 'dma2']);
  });

  it('leaves the presets as they are', () => {
    resolveSpec('intel-legacy', ['iommu.iotlb.ways=4', 'devices.1.name=disk']);
    expect(presets['intel-legacy']!.iommu.iotlb.ways).toBe(128);
    expect(presets['intel-legacy']!.devices[1]!.name).toBe('dma1');
  });
});

describe('a wrong machine specification', () => {
  it.each([
    [{}, ['iommu.iotlb.ways=many'], 'machine.iommu.iotlb.ways: expected a whole number from 1 to 4096, got "many".'],
    [
      { iommu: { iotlb: { policy: 'plru', ways: 3 } } },
      [],
      'machine.iommu.iotlb.ways: expected a power of two, which the policy "plru" needs, got 3.',
    ],
    [
      { iommu: { iotlb: { '2M': { sets: 1, ways: 2, policy: 'mru' } } } },
      [],
      'machine.iommu.iotlb.2M.policy: expected one of "lru", "fifo", "random", "plru", got "mru".',
    ],
    [{}, ['machine.iommu.iotlb.ways=0'], 'machine.iommu.iotlb.ways: expected a whole number from 1 to 4096, got 0.'],
    [{ iommu: { walkers: 1.5 } }, [], 'machine.iommu.walkers: expected a whole number from 1 to 256, got 1.5.'],
    [
      { iommu: { iotlb: { sets: 3 } } },
      [],
      'machine.iommu.iotlb.sets: expected a power of two from 1 to 65536, got 3.',
    ],
    [{ iommu: { vendor: 'arm' } }, [], 'machine.iommu.vendor: expected one of "intel", "amd", got "arm".'],
    [
      { kernel: { invalidate: 'lazy' } },
      [],
      'machine.kernel.invalidate: expected one of "strict", "none", got "lazy".',
    ],
    [{ link: { width: 3 } }, [], 'machine.link.width: expected one of 1, 2, 4, 8, 16, got 3.'],
    [
      { iommu: { cap: 12 } },
      [],
      'machine.iommu.cap: expected a hexadecimal 64-bit value as a string, for instance "0x10", got 12.',
    ],
    [
      { memory: { latency: -1 } },
      [],
      'machine.memory.latency: expected a number of nanoseconds from 0 to 100000, got -1.',
    ],
    [
      { memory: null },
      [],
      'machine.memory: expected an object with the fields megabytes, latency, bytesPerNanosecond, channels, banks, lastLevelCache, otherSocket, got null.',
    ],
    [{ devices: [] }, [], 'machine.devices: expected a list with at least one device, got [].'],
    [
      { devices: [{ name: 'a' }] },
      [],
      'machine.devices.0.model: expected one of "dma-engine", "edu", "nic", "accelerator", "nvme", "malicious", "mmu-engine", "stall-engine", got nothing.',
    ],
    [{}, ['devices.2.name=dma0'], 'machine.devices.2.name: expected something that no other device has, got "dma0".'],
    [
      {},
      ['devices.0.at=01:00.0'],
      'machine.devices.0.at: expected a place on bus 00 from "00:01.0" to "00:1f.7", or behind a port as in "port0:00.0", got "01:00.0".',
    ],
    [
      {},
      ['link.credits.PD=31'],
      'machine.link.credits.PD: expected null (no limit) or at least 32, for a payload of 512 bytes, got 31.',
    ],
    [
      { rootComplex: { maxPayload: 1024 }, link: { credits: { CPLD: 63 } } },
      [],
      'machine.link.credits.CPLD: expected null (no limit) or at least 64, for a payload of 1024 bytes, got 63.',
    ],
    [
      {},
      ['link.credits.NPD=7'],
      'machine.link.credits.NPD: expected null (no limit) or at least 8, for a deferrable write of 128 bytes, got 7.',
    ],
    [{}, ['link.dllp=real'], 'machine.link.dllp: expected one of "none", "measured", "published", "raw", got "real".'],
    [[1], [], 'machine: expected an object, got [1].'],
    [null, [], 'machine: expected an object, got null.'],
  ])(
    '%j with settings %j is answered by naming the field, what was found and what is accepted',
    (input, settings, message) => {
      expect(complaint(input, settings)).toBe(message);
    },
  );

  it('has its unknown fields refused by name, with what was probably meant', () => {
    expect(complaint({ iommu: { iotlb: { wayz: 4 } } })).toBe(
      'machine.iommu.iotlb: there is no field "wayz"; did you mean "ways"?',
    );
    expect(complaint({}, ['iommu.iotlb.wayz=4'])).toBe(
      'machine.iommu.iotlb: there is no field "wayz"; did you mean "ways"?',
    );
    expect(complaint({ link: { zzz: 4 } })).toBe(
      'machine.link: there is no field "zzz"; expected one of "generation", "width", "latency", "credits", "updateFc", "dllp", "maxPayload", "ecrc", "errors".',
    );
  });

  it('cannot reach the prototype of objects', () => {
    expect(complaint({}, ['__proto__.polluted=1'])).toMatch(/there is no field "__proto__"/);
    expect(complaint(JSON.parse('{"__proto__":{"polluted":1}}'))).toMatch(/there is no field "__proto__"/);
    expect(complaint({ preset: 'constructor' })).toMatch(/^There is no machine "constructor"/);
    expect(Object.hasOwn(Object.prototype, 'polluted')).toBe(false);
  });

  it('names a preset that does not exist, and what was probably meant', () => {
    expect(complaint('intel-legcy')).toBe(
      'There is no machine "intel-legcy"; did you mean "intel-legacy" or "intel-legacy-39"?',
    );
    expect(complaint('q35')).toBe(
      `There is no machine "q35"; expected one of ${Object.keys(presets)
        .map((name) => JSON.stringify(name))
        .join(', ')}.`,
    );
  });

  it('says what is wrong with a setting that has no value or an impossible path', () => {
    expect(complaint({}, ['name'])).toBe(
      'A setting has the form path=value, for instance iommu.iotlb.ways=4, and "name" has not.',
    );
    expect(complaint({}, ['name.x=1'])).toBe('machine.name is "intel-legacy" and has no field "x".');
    expect(complaint({}, ['devices.7.name=x'])).toBe('machine.devices: expected an item from 0 to 2, got "7".');
  });
});
