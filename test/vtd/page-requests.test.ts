/** The page request queue (VT-d 7.4 to 7.6, 11.4.11), through the rig. */
import { beforeEach, describe, expect, it } from 'vitest';
import type { PageRequestMessage } from '../../hardware/index.ts';
import { proves } from '../proves.ts';
import { FULL, PASID, type PasidFields, Pgtt, ScalableBench } from './scalable.ts';
import { DATA, REG, SID } from './tables.ts';

const PQH = 0xc0;
const PQT = 0xc8;
const PQA = 0xd0;
const PRS = 0xdc;
const PECTL = 0xe0;
const PEDATA = 0xe4;
const PEADDR = 0xe8;
const PEUADDR = 0xec;
const PAGES = 0x4_8000n;
const PPR = 1n;
const PRO = 2n;
/** Page of 128 descriptors, of which one stays free. */
const ROOM = 127;
const SUCCESS = 0;
const INVALID_REQUEST = 1;

let bench: ScalableBench;

/** A bench with a queue of one page, unmasked, whose event is the message 0x31. */
function start(fields: PasidFields = {}, context = {}): void {
  bench = new ScalableBench({ ...FULL, pds: true }).scalable(fields, { pre: true, ...context }).on();
  bench.set(PQA, PAGES, 8).set(PEADDR, 0xfee0_0000n).set(PEDATA, 0x31n).set(PECTL, 0n);
}

const request = (more: Partial<PageRequestMessage> = {}): void =>
  bench.rig.pageRequest({ requester: SID, pasid: PASID, address: 0x7000n, read: true, last: true, group: 9, ...more });

const descriptor = (index: number): readonly bigint[] =>
  [0n, 8n, 16n, 24n].map((offset) => bench.read64(PAGES + BigInt(index) * 32n + offset));

const answers = () => bench.sent.filter(({ kind }) => kind === 'page group response');

beforeEach(() => start());

describe('A page request', () => {
  it('becomes a descriptor of 256 bits at the tail, which moves on, and sets PPR.', () => {
    proves('page_req_dsc.TYPE', 'page_req_dsc.PP', 'page_req_dsc.RID', 'page_req_dsc.PASID', 'page_req_dsc.PMR');
    proves('page_req_dsc.EXR', 'page_req_dsc.RDR', 'page_req_dsc.WRR', 'page_req_dsc.LPIG', 'page_req_dsc.PRGI');
    proves('page_req_dsc.ADDR', 'PQA_REG.PQA', 'PQT_REG.PQT', 'PRS_REG.PPR', 'ECAP_REG.PRS');
    proves('scalable-mode context entry.PRE');
    request({ address: 0x1234_5678_9000n, write: true, privileged: true, execute: true });
    // Type 1, PP, RID, PASID, EXR, PMR; then RDR, WRR, LPIG, PRGI and the page.
    const lo = 0x1n | (1n << 8n) | (BigInt(SID) << 16n) | (BigInt(PASID) << 32n) | (3n << 52n);
    expect(descriptor(0)).toEqual([lo, 0x1234_5678_9000n | 0b111n | (9n << 3n), 0n, 0n]);
    expect(bench.get(PQT, 8)).toBe(0x20n);
    expect(bench.get(PRS)).toBe(PPR);
    expect(answers()).toEqual([]);
  });

  it('without PASID says so in its descriptor.', () => {
    request({ pasid: undefined as never, last: false, group: 511 });
    expect(descriptor(0).slice(0, 2)).toEqual([1n | (BigInt(SID) << 16n), 0x7000n | 1n | (511n << 3n)]);
  });

  it('raises the event when PPR and PRO were clear, and not again until they are.', () => {
    proves('PEADDR_REG.MA', 'PEDATA_REG.IMD', 'PEUADDR_REG.MUA', 'PRS_REG.PPR');
    bench.set(PEUADDR, 0x12n);
    request();
    request();
    expect(bench.messages).toEqual([{ address: 0x12_fee0_0000n, data: 0x31 }]);
    bench.set(PRS, PPR);
    request();
    expect(bench.messages).toHaveLength(2);
  });

  it('holds the event back while IM is set, and drops it when software clears PPR.', () => {
    proves('PECTL_REG.IM', 'PECTL_REG.IP');
    bench.set(PECTL, 0x8000_0000n);
    request();
    expect(bench.get(PECTL)).toBe(0xc000_0000n);
    bench.set(PRS, PPR);
    expect(bench.get(PECTL)).toBe(0x8000_0000n);
    request();
    bench.set(PECTL, 0n);
    expect(bench.messages).toHaveLength(1);
  });

  it('wraps at the end of the queue.', () => {
    proves('PQH_REG.PQH');
    bench.set(PQH, 0xfe0n, 8).set(PQT, 0xfe0n, 8);
    request();
    expect(bench.get(PQT, 8)).toBe(0n);
    expect(descriptor(127)[0]).not.toBe(0n);
  });

  it.each([0, 1, 3, 7])('goes into a queue of 2^(PQS + 7) descriptors, with PQS %i.', (pqs) => {
    if (pqs > 0) proves('PQA_REG.PQS');
    const base = 0x20_0000n;
    const last = 128n * 2n ** BigInt(pqs) - 1n;
    bench.set(PQA, base | BigInt(pqs), 8).set(PQH, last * 32n, 8);
    bench.set(PQT, last * 32n, 8);
    request();
    expect(bench.read64(base + last * 32n) & 0xffn).toBe(1n);
    expect([bench.get(PQT, 8), bench.get(PRS)]).toEqual([0n, PPR]);
  });

  it('finds a stop marker queued like any request, and not answered.', () => {
    request({ read: false });
    expect(descriptor(0)[1]! & 0b111n).toBe(0b100n);
    expect(answers()).toEqual([]);
  });
});

describe('A full queue', () => {
  const fill = (): void => {
    for (let i = 0; i < ROOM; i++) request({ last: false });
  };

  it('sets PRO for the request that does not fit, and answers the last of a group with success.', () => {
    proves('PRS_REG.PRO');
    fill();
    expect(bench.get(PRS)).toBe(PPR);
    request({ last: false });
    request();
    expect(bench.get(PRS)).toBe(PPR | PRO);
    const answer = { kind: 'page group response', requester: SID, pasid: PASID, group: 9, code: SUCCESS };
    expect(answers()).toEqual([answer]);
    expect(bench.get(PQT, 8)).toBe(BigInt(ROOM) * 32n);
  });

  it('drops requests while PRO is set, even when there is room again.', () => {
    fill();
    request();
    bench.set(PQH, bench.get(PQT, 8), 8);
    request();
    expect(bench.get(PQT, 8)).toBe(BigInt(ROOM) * 32n);
    bench.set(PRS, PRO);
    request();
    expect(bench.get(PQT, 8)).toBe(0n);
  });
});

describe('A page request that the tables refuse', () => {
  /** T1=0 and T2=1 mark a page request. */
  const expectFault = (code: number): void => {
    const { fr, sid, t1, t2, f } = bench.record();
    expect({ fr, sid, t1, t2, f }).toEqual({ fr: code, sid: SID, t1: 0, t2: 1, f: true });
    expect(bench.get(PQT, 8)).toBe(0n);
  };

  it.each([
    ['PRE=0', 0x47, {}, { pre: false }],
    ['an absent context entry', 0x41, {}, { p: false }],
    ['an absent PASID-table entry', 0x59, { p: false }, {}],
    ['a reserved PGTT', 0x5b, { pgtt: 7 }, {}],
    ['PASIDE=0', 0x45, {}, { paside: false }],
  ])('by %s is recorded and answered as an invalid request.', (_, code, fields, context) => {
    if (code === 0x47) proves('SCT.8');
    start(fields, context);
    request();
    expectFault(code);
    expect(answers()).toEqual([
      { kind: 'page group response', requester: SID, pasid: PASID, group: 9, code: INVALID_REQUEST },
    ]);
  });

  it('goes without an answer unless it is the last of its group.', () => {
    start({ p: false });
    request({ last: false });
    expectFault(0x59);
    expect(answers()).toEqual([]);
  });

  it('in legacy mode is fault 32h.', () => {
    proves('RTA.3');
    bench = new ScalableBench({ ...FULL }).usual().enable() as ScalableBench;
    request({ pasid: undefined as never });
    expectFault(0x32);
  });
});

describe('The queue and the caches', () => {
  it('drop the translation of the page before the request can be seen.', () => {
    expect(bench.ask(0n, false, { pasid: PASID })).toMatchObject({ ok: true });
    bench.entry(1, 0, 0n);
    expect(bench.ask(0n, false, { pasid: PASID })).toMatchObject({ ok: true });
    request({ address: 0n });
    expect(bench.ask(0n, false, { pasid: PASID })).toMatchObject({ ok: false, fault: { code: 0x71 } });
  });

  it('drop the whole domain when the space is nested.', () => {
    start({ pgtt: Pgtt.NESTED });
    expect(bench.ask(0n, false, { pasid: PASID })).toMatchObject({ ok: true });
    bench.mapPage(DATA, 0n);
    request({ address: 0x9_0000n });
    expect(bench.ask(0n, false, { pasid: PASID })).toMatchObject({ ok: false, fault: { code: 0x79 } });
  });
});

describe('A page group response descriptor', () => {
  it('goes to the device with its code, group and PASID.', () => {
    proves('page_grp_resp_dsc.PP', 'page_grp_resp_dsc.RC', 'page_grp_resp_dsc.RID', 'page_grp_resp_dsc.PASID');
    proves('page_grp_resp_dsc.PRGI', 'page_grp_resp_dsc.IGNORED_66');
    const lo = 9n | (1n << 4n) | (1n << 12n) | (BigInt(SID) << 16n) | (BigInt(PASID) << 32n);
    // Bit 66 is ignored.
    bench.flush([lo, (9n << 3n) | 4n]);
    expect(bench.get(REG.FSTS)).toBe(0n);
    expect(bench.sent).toEqual([
      { kind: 'page group response', requester: SID, pasid: PASID, group: 9, code: INVALID_REQUEST },
    ]);
  });
});
