/** How the root complex answers translation requests (pcie.md 3.1, 3.2; ATS 10.2.3 and 10.2.4). */
import { describe, expect, it } from 'vitest';
import { AddressType, Attribute } from '../../hardware/pcie/index.ts';
import { Board, RID, ScriptedAgent } from './board.ts';

/** What a device receives that asks for `wanted` entries when the agent has these. */
function ask(wanted: number, entries: readonly bigint[], attributes = 0) {
  const board = new Board().bringUp();
  const { link, rootComplex, engine } = board;
  const agent = new ScriptedAgent((request, answer) => {
    request.status = 0;
    request.translated = entries.length;
    for (const [i, entry] of entries.entries()) {
      request.translations.set([Number(entry >> 32n), Number(entry & 0xffff_ffffn)], i * 2);
    }
    answer();
  });
  rootComplex.attach(agent);
  const seen: unknown[] = [];
  link.bottom.receive = (tlp) => {
    const { status, byteCount, length, addressLo, tag, data } = tlp;
    const bytes = data === null ? '' : Buffer.from(data.subarray(0, length)).toString('hex');
    seen.push({ status, byteCount, length, lower: addressLo, tag, attributes: tlp.attributes, bytes });
    link.bottom.release(tlp);
  };
  const tlp = link.bottom.take().memoryRead(RID, 7, 0, 0x5001, wanted * 8);
  tlp.addressType = AddressType.TRANSLATION;
  tlp.attributes = attributes;
  link.bottom.send(tlp);
  engine.run();
  expect(agent.seen).toMatchObject([{ wanted, noWrite: true, addressType: AddressType.TRANSLATION }]);
  return seen;
}

describe('A translation completion', () => {
  it('has the upper half of an entry first, and ends at a read completion boundary of 64 bytes.', () => {
    expect(ask(1, [0x1_4020_5003n])).toEqual([
      { status: 0, byteCount: 8, length: 8, lower: 56, tag: 7, attributes: 0, bytes: '0000000140205003' },
    ]);
  });

  it('with fewer entries than were wanted says by its byte count that no more come.', () => {
    expect(ask(8, [0x1_4020_5003n, 0xfedc_ba98_7654_3003n])).toEqual([
      {
        ...{ status: 0, byteCount: 16, length: 16, lower: 48, tag: 7, attributes: 0 },
        bytes: '0000000140205003fedcba9876543003',
      },
    ]);
  });

  it('is one, however many entries it has.', () => {
    expect(ask(16, new Array<bigint>(16).fill(0x1003n))).toMatchObject([{ byteCount: 128, length: 128 }]);
  });

  it('has the Relaxed Ordering of its request, and no other attribute.', () => {
    const all = Attribute.RELAXED_ORDERING | Attribute.NO_SNOOP | Attribute.ID_ORDERING;
    expect(ask(1, [0x1003n], all)).toMatchObject([{ attributes: Attribute.RELAXED_ORDERING }]);
  });
});
