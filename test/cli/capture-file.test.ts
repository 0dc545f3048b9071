import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodeTlp } from '../../hardware/pcie/index.ts';
import { sectionsOf } from '../pcie/pcapng-reader.ts';
import { ioasim } from './capture.ts';

let folder: string;
const at = (name: string): string => join(folder, name);

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'ioasim-capture-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('ioasim run --capture', () => {
  it('writes a pcapng file with a section for each scenario and a packet for each TLP', async () => {
    const traced = ['--trace', at('trace.txt'), '--capture', at('both.pcapng')];
    const names = ['01-first-dma', '03-two-devices-one-ioasid'];
    expect(await ioasim('run', ...names, '--quiet', ...traced)).toMatchObject({ code: 0, err: '' });
    const sections = sectionsOf(readFileSync(at('both.pcapng')));
    const comments = sections.map(({ options }) => Buffer.from(options[1]!).toString());
    expect(comments).toEqual(names.map((name) => `${name} on intel-legacy`));
    const packets = sections.flatMap((section) => section.packets);
    const packetLines = readFileSync(at('trace.txt'), 'utf8').match(/ {2}(?:MRd|MWr|CplD?|Cfg(?:Rd|Wr)0) {2}\(to /g)!;
    expect(packets).toHaveLength(packetLines.length);
    for (const { data } of packets) expect(decodeTlp(data.subarray(16))).toBeDefined();
  });

  it('writes the same as text', async () => {
    expect((await ioasim('run', '01-first-dma', '--quiet', '--capture', at('one.txt'))).code).toBe(0);
    expect((await ioasim('run', '01-first-dma', '--quiet', '--capture', at('one.pcapng'))).code).toBe(0);
    const [heading, ...lines] = readFileSync(at('one.txt'), 'utf8').trimEnd().split('\n');
    expect(heading).toBe('# 01-first-dma on intel-legacy');
    const { packets } = sectionsOf(readFileSync(at('one.pcapng')))[0]!;
    const headers = lines.map((line) => /\[([0-9a-f ]+)\]/.exec(line)![1]!.replaceAll(' ', ''));
    expect(headers).toEqual(
      packets.map(({ data }, i) => Buffer.from(data.subarray(16)).toString('hex').slice(0, headers[i]!.length)),
    );
  });

  it('changes nothing of what is told', async () => {
    const plain = await ioasim('run', '02-stale-iotlb');
    expect(await ioasim('run', '02-stale-iotlb', '--capture', at('stale.pcapng'))).toEqual(plain);
  });

  it.each([
    ['capture.pcap', 'A capture file\'s name ends in one of .pcapng, .txt, and "capture.pcap" does not.'],
    ['no/such/folder.pcapng', '"no/such/folder.pcapng" cannot be written (ENOENT).'],
  ])('refuses %s in one sentence', async (file, sentence) => {
    expect(await ioasim('run', '01-first-dma', '--capture', file)).toMatchObject({ code: 2, out: '', err: sentence });
  });
});
