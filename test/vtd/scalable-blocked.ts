/** What a blocked request in scalable mode leaves behind, held against the fault recording register bit by bit. */
import { expect } from 'vitest';
import { extraOf, ScalableBench } from './scalable.ts';
import { type Ask, type Condition, requesterOf } from './scalable-conditions.ts';
import { code, REG } from './tables.ts';

export const FPD_LEVELS = [1, 2, 3] as const;
type FpdLevel = 0 | (typeof FPD_LEVELS)[number];

export const named = (conditions: readonly Condition[]) => conditions.map((one) => [one.name, one] as const);

/** A bench with the condition; FPD is set in the context, directory or PASID-table entry. */
export function arrange(one: Condition, fpd: FpdLevel): ScalableBench {
  const bench = new ScalableBench(one.options ?? {});
  bench.scalable({ ...one.pasid, fpd: fpd === 3 }, { ...one.context, fpd: fpd === 1 });
  if (fpd === 2) bench.directory(bench.read64(0x5000n) | 2n);
  one.set?.(bench);
  return bench.on(one.rtaddr);
}

function attempt(bench: ScalableBench, ask: Ask) {
  const { address = 0x123n, write = false, length = 4, requester, ...extra } = ask;
  const body = write ? { data: new Uint8Array(length).fill(0xa5) } : { length };
  return bench.rig.dma({
    requester: requesterOf({ ...(requester === undefined ? {} : { requester }) }),
    address,
    write,
    ...body,
    ...extra,
  });
}

/** One request of a condition: its answer and its record. */
export function check(bench: ScalableBench, one: Condition, ask: Ask): void {
  const [requester, address, write] = [requesterOf(ask), ask.address ?? 0x123n, ask.write === true];
  const status = one.answer ?? (write ? 'dropped' : 'UR');
  const result = attempt(bench, ask);
  const name = one.name.slice(0, one.name.indexOf(':'));
  expect(
    result,
    JSON.stringify(ask, (_, v) => (typeof v === 'bigint' ? `${v}` : v)),
  ).toMatchObject({
    ok: false,
    status,
    fault: { code: one.fr, name, recorded: true, requester, pasid: ask.pasid ?? -1, write },
  });
  const record = bench.record();
  expect(code(record.fr)).toBe(code(one.fr));
  const at = ask.addressType === 'translated' ? 2 : 0;
  expect(record).toMatchObject({ f: true, sid: requester, t1: write ? 0 : 1, t2: 0, at });
  const hasPasid = ask.pasid !== undefined;
  const fi = address & ~0xfffn & ((1n << 57n) - 1n);
  const exe = hasPasid && ask.execute === true && !write ? 1 : 0;
  const priv = hasPasid && ask.privileged === true ? 1 : 0;
  expect(extraOf(record.raw)).toEqual({ fi: record.fi, pv: ask.pasid ?? 0, pp: hasPasid ? 1 : 0, exe, priv });
  if (address >> 57n === 0n) expect(record.fi).toBe(fi);
  expect(record.raw[0] & 0xfffn).toBe(0n);
  expect(bench.get(REG.FSTS)).toBe(2n);
  bench.acknowledge();
}

/** FPD in the entry of a level counts when the walk has met it and the fault is qualified. */
export function checkDisabled(one: Condition, level: (typeof FPD_LEVELS)[number]): void {
  const bench = arrange(one, level);
  for (const ask of one.asks) {
    const recorded = one.unqualified === true || level > one.met;
    expect(attempt(bench, ask), `FPD at level ${level}`).toMatchObject({
      ok: false,
      fault: { code: one.fr, recorded },
    });
    expect(bench.record().f).toBe(recorded);
    expect(bench.get(REG.FSTS)).toBe(recorded ? 2n : 0n);
    bench.acknowledge();
  }
}
