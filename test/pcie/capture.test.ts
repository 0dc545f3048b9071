import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type CapturedPacket, decodeTlp, encodeTlp, PcapngWriter, Tlp } from '../../hardware/pcie/index.ts';
import type { Instant } from '../../hardware/sim/index.ts';
import { blocksOf, sectionsOf } from './pcapng-reader.ts';
import { toHex } from './tlp-fields.ts';

const LINKS = [
  { link: { name: 'dma0', spec: { generation: 3, width: 8 } }, above: 'root', below: 'dma0' },
  { link: { name: 'nic', spec: { generation: 6, width: 16 } }, above: 'switch', below: 'nic' },
];

/** What a writer wrote, block by block and whole. */
class Sink {
  readonly blocks: Uint8Array[] = [];
  readonly writer = new PcapngWriter((bytes) => this.blocks.push(bytes));

  get file(): Uint8Array {
    return Uint8Array.of(...this.blocks.flatMap((block) => [...block]));
  }
}

function packet(at: number, tlp: Tlp, link = 0, direction: 'upstream' | 'downstream' = 'upstream'): CapturedPacket {
  return { at: at as Instant, link, direction, tlp };
}

function read(length: number): Tlp {
  return new Tlp().memoryRead(0x0008, 5, 0, 0x1234_5678, length);
}

describe('A capture file', () => {
  it('begins with a section and its interfaces, byte for byte as pcapng writes them', () => {
    const sink = new Sink();
    sink.writer.section('test', LINKS.slice(0, 1));
    expect(sink.blocks.map(toHex)).toEqual([
      [
        '0a0d0d0a', // Section Header Block
        '34000000', // 52 bytes
        '4d3c2b1a', // byte-order magic
        '01000000', // version 1.0
        'ffffffffffffffff', // length of the section: not specified
        '0100040074657374', // opt_comment "test"
        '04000600696f6173696d0000', // shb_userappl "ioasim", padded
        '00000000', // opt_endofopt
        '34000000',
      ].join(''),
      [
        '01000000', // Interface Description Block
        '4c000000', // 76 bytes
        '93000000', // LINKTYPE_USER0, reserved
        '00000000', // no snapshot length
        '02000400646d6130', // if_name "dma0"
        '03001e00726f6f7420746f20646d61302c2067656e65726174696f6e20332c2078380000', // if_description, 30 bytes and 2 of padding
        '0900010009000000', // if_tsresol 9
        '00000000',
        '4c000000',
      ].join(''),
    ]);
  });

  it('has a packet for each TLP, byte for byte', () => {
    const sink = new Sink();
    sink.writer.section('test', LINKS);
    sink.writer.packet(packet(0x12_3456_789a, read(64), 1, 'downstream'));
    expect(toHex(sink.blocks.at(-1)!)).toBe(
      [
        '06000000', // Enhanced Packet Block
        '48000000', // 72 bytes
        '01000000', // interface 1
        '00000000e50ba904', // 78187493530 ps are 78187493 ns
        '1c000000', // captured length 28
        '1c000000', // original length
        '0110000610000001000000123456789a', // our header
        '00000010000805ff12345678', // the TLP
        '0200040002000000', // epb_flags: outbound
        '00000000',
        '48000000',
      ].join(''),
    );
  });

  it('tells by its flags and its header which way a TLP went', () => {
    const sink = new Sink();
    sink.writer.section('test', LINKS);
    sink.writer.packet(packet(0, read(4), 0, 'upstream'));
    sink.writer.packet(packet(0, read(4), 0, 'downstream'));
    const { packets } = sectionsOf(sink.file)[0]!;
    expect(packets.map(({ options, data }) => [toHex(options[2]!), data[2]])).toEqual([
      ['01000000', 1],
      ['02000000', 0],
    ]);
  });

  it('keeps instants that do not fit 32 bits', () => {
    const sink = new Sink();
    sink.writer.section('test', LINKS);
    sink.writer.packet(packet(9_007_199_254_740_991, read(4)));
    const { stamp, data } = sectionsOf(sink.file)[0]!.packets[0]!;
    expect(stamp).toBe(9_007_199_254_740n);
    expect(toHex(data.subarray(8, 16))).toBe('001fffffffffffff');
  });

  it('begins a section for each machine, with the links of that one', () => {
    const sink = new Sink();
    sink.writer.section('one', LINKS);
    sink.writer.packet(packet(5000, read(4), 1));
    sink.writer.section('two', LINKS.slice(1));
    sink.writer.packet(packet(0, read(4)));
    const sections = sectionsOf(sink.file);
    expect(sections.map(({ options, version, length }) => [text(options[1]!), version, length])).toEqual([
      ['one', [1, 0], -1n],
      ['two', [1, 0], -1n],
    ]);
    expect(sections.map(({ interfaces }) => interfaces.map(({ options }) => text(options[2]!)))).toEqual([
      ['dma0', 'nic'],
      ['nic'],
    ]);
    expect(sections.map(({ packets }) => packets.map(({ data }) => [data[3], data[4]]))).toEqual([
      [[6, 16]],
      [[6, 16]],
    ]);
  });

  it('says in ASCII what a title says, and no more than 255 characters of it', () => {
    const sink = new Sink();
    sink.writer.section(`${'é\n'}${'x'.repeat(300)}`, []);
    expect(text(sectionsOf(sink.file)[0]!.options[1]!)).toBe(`??${'x'.repeat(253)}`);
  });

  it('is well-formed and holds every TLP whole, whatever its length', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(4096), fc.nat(3), fc.nat(2 ** 40), fc.boolean())), (tlps) => {
        const sink = new Sink();
        sink.writer.section('test', LINKS);
        const written = tlps.map(([length, offset, at, carries]) => {
          const tlp = carries
            ? new Tlp().memoryWrite(8, 1, 0x1000 + offset, Math.min(length, 4096 - offset))
            : new Tlp().memoryRead(8, 1, 0, 0x1000 + offset, Math.min(length, 4096 - offset));
          sink.writer.packet(packet(at, tlp, offset % 2));
          return [BigInt(Math.floor(at / 1000)), offset % 2, toHex(encodeTlp(tlp))];
        });
        const { packets } = sectionsOf(sink.file)[0]!;
        expect(packets.map(({ stamp, interface: link, data }) => [stamp, link, toHex(data.subarray(16))])).toEqual(
          written,
        );
        for (const { data, originalLength } of packets) expect(originalLength).toBe(data.length);
      }),
      { numRuns: 50 },
    );
  });

  it('is given away block by block, so that nothing piles up', () => {
    const sink = new Sink();
    sink.writer.section('test', LINKS);
    for (let i = 0; i < 10; i++) {
      const before = sink.blocks.length;
      sink.writer.packet(packet(i, read(64)));
      expect(sink.blocks.length).toBe(before + 1);
    }
    expect(blocksOf(sink.file).map(({ type }) => type)).toEqual([0x0a0d0d0a, 1, 1, ...Array(10).fill(6)]);
  });

  it('holds TLPs that can be decoded again', () => {
    const sink = new Sink();
    sink.writer.section('test', LINKS);
    sink.writer.packet(packet(1, read(64).withPasid(7, true, false)));
    const { data } = sectionsOf(sink.file)[0]!.packets[0]!;
    expect(decodeTlp(data.subarray(data[1]))).toMatchObject({ requester: 8, length: 64, pasid: 7, privileged: true });
  });
});

function text(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}
