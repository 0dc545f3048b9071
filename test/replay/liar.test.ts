import { describe, expect, it } from 'vitest';
import { createRig, type DmaRequest, type DmaResult, NotSupported, type Rig } from '../../hardware/index.ts';
import { type CaseResult, judgeCase } from '../../src/cli/replay/judge-case.ts';
import type { MakeRig } from '../../src/cli/replay/replay.ts';
import { slice, sliceContested } from './recordings.ts';

const corpus = slice('intel');
const contested = sliceContested('intel');
const legacy = corpus.cases.filter(({ profile }) => profile.startsWith('legacy'));

/** A rig that does what a true one does but for what `lies` says about it. */
function liar(lies: (rig: Rig) => Partial<Rig>): MakeRig {
  return (options) => {
    const rig = createRig(options);
    const truth: Rig = {
      vendor: rig.vendor,
      readRegister: (offset, size) => rig.readRegister(offset, size),
      writeRegister: (offset, size, value) => rig.writeRegister(offset, size, value),
      readConfig: (offset, size) => rig.readConfig(offset, size),
      writeConfig: (offset, size, value) => rig.writeConfig(offset, size, value),
      readMemory: (address, length) => rig.readMemory(address, length),
      writeMemory: (address, bytes) => rig.writeMemory(address, bytes),
      dma: (request) => rig.dma(request),
      translate: (request) => rig.translate(request),
      translationRequest: (request) => rig.translationRequest(request),
      pageRequest: (request) => rig.pageRequest(request),
      completeInvalidation: (completion) => rig.completeInvalidation(completion),
      expireInvalidations: () => rig.expireInvalidations(),
      inspect: () => rig.inspect(),
    };
    return { ...truth, ...lies(rig) };
  };
}

const onDma = (change: (result: DmaResult, request: DmaRequest, rig: Rig) => DmaResult): MakeRig =>
  liar((rig) => ({ dma: (request) => change(rig.dma(request), request, rig) }));

/** Changes the upper half of the fault record where F is set. */
const onRecord = (change: (high: bigint) => bigint): MakeRig =>
  liar((rig) => ({
    readRegister: (offset, size) => {
      const value = rig.readRegister(offset, size);
      return offset === 0x228 && size === 8 && value >> 63n === 1n ? change(value) : value;
    },
  }));

const run = (make: MakeRig): CaseResult[] => legacy.map((recorded) => judgeCase(corpus, recorded, contested, make));
const verdicts = (make: MakeRig) => run(make).flatMap((result) => result.verdicts);
const truth = verdicts(createRig);
const count = (of: readonly string[], verdict: string) => of.filter((it) => it === verdict).length;

/** The DMAs that the recording says are blocked with a record, or go through. */
const dmas = legacy.flatMap(({ steps }) => steps.filter((step) => step.op === 'dma'));
const translated = dmas.filter(({ fresh, fresh2, legal }) =>
  [fresh, fresh2 ?? fresh, ...legal].every((it) => it.kind === 'translated'),
);
const blocked = dmas.filter(
  ({ fresh, legal, out }) => fresh.kind === 'blocked' && fresh.recorded && legal.length === 0 && !out.pending,
);

describe('a rig that lies', () => {
  it('is not needed for a failure: the true one passes the slice', () => {
    expect(count(truth, 'fail')).toBe(0);
    expect(count(truth, 'notSupported')).toBe(0);
    expect(truth).toHaveLength(dmas.length);
  });

  it.each<[string, MakeRig, number]>([
    [
      'names other addresses than it used',
      onDma((result) =>
        result.ok
          ? { ...result, segments: result.segments.map((it) => ({ ...it, address: it.address ^ 0x1000n })) }
          : result,
      ),
      translated.length,
    ],
    ['names no address', onDma((result) => (result.ok ? { ...result, segments: [] } : result)), translated.length],
    [
      'writes somewhere else than it says',
      onDma((result, { data }, rig) => {
        if (!result.ok || data === undefined) return result;
        for (const { address, length } of result.segments) rig.writeMemory(address, new Uint8Array(length));
        return result;
      }),
      translated.filter(({ rw }) => rw === 'w').length,
    ],
    [
      'reads somewhere else than it says',
      onDma((result) =>
        result.ok && result.data !== undefined ? { ...result, data: result.data.map((byte) => byte ^ 1) } : result,
      ),
      translated.filter(({ rw }) => rw === 'r').length,
    ],
    [
      'writes although it blocks',
      liar((rig) => ({
        dma: (request) => {
          const result = rig.dma(request);
          const { cand } = dmas.find(({ iova }) => iova === request.address)!;
          if (!result.ok && request.data !== undefined) for (const at of cand) rig.writeMemory(at, request.data);
          return result;
        },
      })),
      blocked.filter(({ rw, cand }) => rw === 'w' && cand.length > 0).length,
    ],
    ['blocks everything', onDma(() => ({ ok: false, status: 'UR' })), translated.length],
    ['records another reason', onRecord((high) => high ^ (1n << 32n)), blocked.length],
    ['records another source', onRecord((high) => high ^ 8n), blocked.length],
    ['records the other type of access', onRecord((high) => high ^ (1n << 62n)), blocked.length],
    ['records a PASID that nobody sent', onRecord((high) => high | (1n << 31n)), blocked.length],
    ['loses the record', onRecord((high) => high & ~(1n << 63n)), blocked.length],
    [
      'answers with another reason than it records',
      onDma((result) =>
        result.ok || result.fault === undefined
          ? result
          : { ...result, fault: { ...result.fault, code: result.fault.code + 1 } },
      ),
      blocked.length,
    ],
    [
      'records a fault for what it let through',
      liar((rig) => {
        let extra = false;
        return {
          dma: (request) => {
            const result = rig.dma(request);
            extra = result.ok;
            return result;
          },
          readRegister: (offset, size) => {
            const value = rig.readRegister(offset, size);
            if (extra && offset === 0x228 && size === 8) return value | (1n << 63n);
            return extra && offset === 0x34 ? value | 2n : value;
          },
          writeRegister: (offset, size, value) => {
            if (offset === 0x228) extra = false;
            rig.writeRegister(offset, size, value);
          },
        };
      }),
      translated.filter(({ drain }) => drain).length,
    ],
  ])('fails when it %s', (_, make, least) => {
    expect(least).toBeGreaterThan(10);
    expect(count(verdicts(make), 'fail')).toBeGreaterThanOrEqual(least);
  });

  it('fails the DMA beside a register or memory read that is wrong', () => {
    const registers = liar((rig) => ({
      readRegister: (offset, size) => rig.readRegister(offset, size) ^ (offset === 0x1c ? 1n : 0n),
    }));
    const memory = liar((rig) => ({
      readMemory: (address, length) => rig.readMemory(address, length).map((byte) => (length === 8 ? byte ^ 1 : byte)),
    }));
    for (const make of [registers, memory]) {
      const results = run(make);
      const failed = results.filter(({ failures }) => failures.length > 0);
      expect(failed.length).toBeGreaterThan(5);
      for (const { verdicts } of failed) expect(verdicts).toContain('fail');
    }
  });

  it('counts a mode that does not exist as not supported, never as agreement, even when it turns up late', () => {
    let calls = 0;
    const late = onDma((result) => {
      if (++calls % 2 === 0) throw new NotSupported('half of the requests');
      return result;
    });
    for (const { verdicts, notSupported, failures } of run(late)) {
      if (notSupported === null) continue;
      expect(new Set(verdicts)).toEqual(new Set(['notSupported']));
      expect(failures).toEqual([]);
    }
  });

  it('fails the rest of a case in which the model throws, and says so', () => {
    const broken = onDma(() => {
      throw new RangeError('a bug');
    });
    for (const { verdicts, failures } of run(broken)) {
      expect(new Set(verdicts)).toEqual(new Set(['fail']));
      expect(failures[0]!.got).toMatch(/a bug/);
    }
  });
});
