import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type CapturedPacket, encodeTlp, MessageCode, TypeCode } from '../../hardware/pcie/index.ts';
import { buildMachine, CAPTURE_FORMATS, type Capture, type Machine } from '../../src/machine/index.ts';
import { Recorder } from '../../src/recorder/index.ts';

/** Brings a machine up and returns what it says through `capture`. */
function boot(machine: Machine): void {
  machine.engine.spawn(machine.boot());
  machine.engine.run();
}

class Seen implements Capture {
  readonly titles: string[] = [];
  readonly links: string[] = [];
  readonly packets: string[] = [];

  section(title: string, links: Parameters<Capture['section']>[1]): void {
    this.titles.push(title);
    this.links.push(
      ...links.map(({ link, above, below }) => `${above} ${below} gen${link.spec.generation} x${link.spec.width}`),
    );
  }

  packet({ at, link, direction, tlp }: CapturedPacket): void {
    this.packets.push(`${at} ${link} ${direction} ${Buffer.from(encodeTlp(tlp)).toString('hex')}`);
  }
}

describe('A machine', () => {
  it('shows a capture every TLP that a recorder sees, and each of them whether or not there is the other', () => {
    const alone = buildMachine('intel-legacy');
    const seen = new Seen();
    alone.capture(seen, 'mine');
    boot(alone);
    expect(seen.titles).toEqual(['mine']);
    expect(seen.links).toEqual(['root dma0 gen3 x8', 'root dma1 gen3 x8', 'root dma2 gen3 x8']);

    const both = buildMachine('intel-legacy');
    const recorder = new Recorder(both.engine, both.names);
    const instants: number[] = [];
    recorder.on('packet', ({ at }) => void instants.push(at));
    both.attach(recorder);
    const again = new Seen();
    both.capture(again, 'mine');
    boot(both);
    expect(again.packets).toEqual(seen.packets);
    expect(instants).toEqual(seen.packets.map((line) => Number.parseInt(line, 10)));
    both.attach(null);
    expect(again.packets.length).toBeGreaterThan(100);
  });

  it('is captured from its first configuration request on', () => {
    const machine = buildMachine('intel-legacy');
    const seen = new Seen();
    machine.capture(seen, '');
    boot(machine);
    // The root complex reads word 0 of 00:01.0, and is answered.
    expect(seen.packets.slice(0, 2)).toEqual([
      '400000 0 downstream 040000010000000f00080000',
      expect.stringMatching(/^\d+ 0 upstream 4a0000010008000400000000[0-9a-f]{8}$/),
    ]);
  });
});

/** What `machine` says as text from its first instant to the end of booting. */
function textOf(machine: Machine, title: string): string {
  let text = '';
  const capture = CAPTURE_FORMATS['txt']!((piece) => {
    text += piece;
  });
  machine.capture(capture, title);
  boot(machine);
  return text;
}

describe('A capture as text', () => {
  it('has a heading and a line for each TLP: when, where, which way, its header in words, what it is', () => {
    const text = textOf(buildMachine('intel-legacy'), 'boot on intel-legacy');
    const [heading, first, second] = text.split('\n');
    expect(heading).toBe('# boot on intel-legacy');
    expect(first).toBe(
      '   0.400000 us  root > dma0       [04000001 0000000f 00080000]  CfgRd0  (00:01.0, 4 bytes at 0x0)',
    );
    expect(second).toMatch(
      /^ +\d\.\d{6} us {2}dma0 > root {7}\[4a000001 00080004 00000000\] {2}CplD {2}\(4 bytes = 0x/,
    );
  });
});

describe('docs/ioasim-tlp.lua', () => {
  const lua = readFileSync(new URL('../../docs/ioasim-tlp.lua', import.meta.url), 'utf8');
  const table = (name: string) =>
    /^local NAME = \{(.*?)^\}/ms.exec(lua.replace(`local ${name} =`, 'local NAME ='))![1]!;
  const keys = (name: string) => [...table(name).matchAll(/\[(0x[0-9a-f]+)\]/g)].map(([, key]) => Number(key));

  it('names every message', () => {
    expect(keys('messages')).toEqual(Object.values(MessageCode));
  });

  it('knows every type of TLP', () => {
    const { MESSAGE, PREFIX_PASID, ...others } = TypeCode;
    expect(keys('types')).toEqual(Object.values(others));
    expect(lua).toContain(`type >= 0x${MESSAGE.toString(16)} and type <= 0x15`);
    expect(lua).toContain(`== 0x9${(PREFIX_PASID - 0x10).toString(16)} then`);
  });
});
