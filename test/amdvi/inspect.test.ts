import { describe, expect, it } from 'vitest';
import { FAULT_HINTS, FAULTS, type FaultName, stageOf } from '../../hardware/amdvi/spec/index.ts';
import { BACKING_PAGE, CONTROL, DEVICE_TABLE, GUEST, HOST, INTERRUPTS, InspectBench, NOBODY } from './inspect-bench.ts';

const GUEST_PAGE = 0x5000n;

/** The steps in the order of the walk, each in a few words. */
function told(bench: InspectBench, requester: number, address: bigint, { write = false, pasid = -1 } = {}) {
  const { steps, result } = bench.inspector.explain({ requester, pasid, address, write });
  const lines = steps.map((step) => {
    if (step.kind === 'note') return step.text;
    if (step.kind === 'cache') return `${step.cache} ${step.hit}`;
    return `${step.what} at ${step.address.toString(16)}`;
  });
  return { lines, result };
}

describe('the hints', () => {
  it.each(Object.keys(FAULTS) as FaultName[])('say for %s in one line what to check, and where it is found', (name) => {
    expect(FAULT_HINTS[name]).toMatch(/^\S.{15,180}\S$/);
    expect(FAULT_HINTS[name]).not.toBe(FAULTS[name].meaning);
    expect(stageOf(name)).toMatch(/^(device table|request|host tables|guest tables|interrupt)$/);
  });
});

describe('an explanation', () => {
  it('gives the steps in the order of the walk, and after the request what the caches know', () => {
    const bench = new InspectBench();
    const first = told(bench, HOST, 0x1234n);
    expect(first.lines).toEqual([
      'Device Table Base at 0',
      'Control at 18',
      'device table cache false',
      'DTE at 100300',
      'IOTLB false',
      'page-directory cache false',
      'host PDE, level 3 at 200000',
      'host PDE, level 2 at 201000',
      'host PTE, level 1 at 202008',
    ]);
    expect(first.result).toEqual({
      ok: true,
      address: 0x80_1234n,
      pageBytes: 4096,
      read: true,
      write: true,
      snoop: false,
    });
    expect(bench.access(HOST, 0x1234n, false)).toBe(0x80_1234n);
    expect(told(bench, HOST, 0x1238n).lines.slice(2)).toEqual(['device table cache true', 'IOTLB true']);
    expect(told(bench, HOST, 0x2000n).lines.slice(2)).toEqual([
      'device table cache true',
      'IOTLB false',
      'page-directory cache true',
      'host PTE, level 1 at 202010',
    ]);
  });

  it('follows the GCR3 table, the guest tables, and the host tables for each of them', () => {
    const { lines, result } = told(new InspectBench(), GUEST, GUEST_PAGE, { pasid: 2 });
    const ofTables = ['page-directory cache false', 'host PDE, level 3 at 200000', 'host PTE, level 2 at 201010'];
    expect(lines.slice(3)).toEqual([
      'DTE at 100400',
      'IOTLB false',
      'GCR3 cache false',
      'GCR3 entry at 300010',
      'guest page-directory cache false',
      ...ofTables,
      'guest PML4E at 400000',
      ...ofTables,
      'guest PDPE at 401000',
      ...ofTables,
      'guest PDE at 402000',
      ...ofTables,
      'guest PTE at 403028',
      'page-directory cache false',
      'host PDE, level 3 at 200000',
      'host PDE, level 2 at 201000',
      'host PTE, level 1 at 202008',
    ]);
    expect(result).toMatchObject({ ok: true, address: 0x80_1000n });
  });

  it('decodes each entry that is read', () => {
    const { steps } = new InspectBench().inspector.explain({ requester: HOST, pasid: -1, address: 0n, write: false });
    const entry = steps.find((step) => step.kind === 'read' && step.what === 'DTE');
    const fields = entry?.kind === 'read' ? entry.fields : [];
    const text = (name: string) => fields.find((field) => field.name === name)?.text;
    expect([text('Mode'), text('HAD'), text('HostPTRoot'), text('DomainID')]).toEqual([
      '3',
      '3 (BOTH)',
      '0x200000',
      '7',
    ]);
  });

  it('names the condition with its meaning, its stage, the answer, whether it is logged, and what to check', () => {
    const bench = new InspectBench().put(DEVICE_TABLE + 0x608n, 7n);
    const ask = (requester: number, address: bigint, write: boolean, pasid = -1) =>
      told(bench, requester, address, { write, pasid }).result;
    expect(ask(HOST, 0x3000n, true)).toEqual({
      ok: false,
      answer: 'none: the write is dropped',
      fault: {
        code: 2,
        name: 'IO_PAGE_FAULT.DENIED',
        meaning: 'IR or IW of a host entry is missing',
        stage: 'host tables',
        hint: FAULT_HINTS.DENIED,
        recorded: true,
      },
    });
    expect(ask(HOST, 0x5000n, false)).toMatchObject({
      answer: 'Completer Abort',
      fault: { name: 'IO_PAGE_FAULT.NOT_PRESENT', hint: FAULT_HINTS.NOT_PRESENT },
    });
    expect(ask(HOST, 0n, false, 2)).toMatchObject({ fault: { name: 'IO_PAGE_FAULT.NO_GUEST_TABLE' } });
    expect(ask(0x200, 0n, false)).toMatchObject({ fault: { name: 'IO_PAGE_FAULT.DEVICE_ID', stage: 'device table' } });
    // SA: no event.
    bench.put(DEVICE_TABLE + 0x308n, 0x4_0000_0007n);
    expect(ask(HOST, 0x5000n, false)).toMatchObject({ fault: { recorded: false } });
  });

  it('tells a translation request without rights that it has none', () => {
    const bench = new InspectBench().put(DEVICE_TABLE + 0x308n, 0x1_0000_0007n);
    const also = ['translation request'] as const;
    expect(
      bench.inspector.explain({ requester: HOST, pasid: -1, address: 0x5000n, write: true, also }).result,
    ).toMatchObject({ ok: false, answer: 'no permission', fault: { name: 'IO_PAGE_FAULT.NOT_PRESENT' } });
  });

  it('says why an address comes through as it is', () => {
    const bench = new InspectBench();
    const last = (requester: number, address: bigint, also: readonly ('translated' | 'privileged')[] = []) => {
      const { steps, result } = bench.inspector.explain({ requester, pasid: -1, address, write: false, also });
      expect(result).toMatchObject({ ok: true, address });
      const step = steps.at(-1)!;
      return step.kind === 'note' ? step.text : step.kind;
    };
    expect(last(NOBODY, 0x1000n)).toMatch(/^V of the device table entry is 0/);
    expect(last(GUEST, 0x1000n, ['translated'])).toMatch(/^The device has translated/);
    bench.put(DEVICE_TABLE + 0x600n, 0x6000_0000_0000_0003n, 0x80_0000_0005n);
    expect(last(NOBODY, 0x1000n)).toMatch(/^Mode .* is 0/);
    bench.set(0x28, 0x1fffn).set(0x20, 0x1001n);
    expect(last(NOBODY, 0x1000n)).toMatch(/exclusion range/);
    bench.set(0x18, 0n);
    expect(last(NOBODY, 0x1000n)).toMatch(/^The unit is off/);
  });

  it('says of a write to the interrupt range that it may be an interrupt', () => {
    const { lines, result } = told(new InspectBench(), HOST, 0xfee0_0000n, { write: true });
    expect(lines[2]).toMatch(/interrupt message/);
    expect(result).toMatchObject({ fault: { name: 'INVALID_DEVICE_REQUEST.INTERRUPT_RANGE_WRITE' } });
  });
});

describe('an explanation of an interrupt', () => {
  const explain = (bench: InspectBench, requester: number, data: number) =>
    bench.inspector.explainInterrupt({ requester, address: 0xfee0_0000n, data });

  it('shows the entry under its own layout and what is delivered', () => {
    const { steps, result } = explain(new InspectBench(), INTERRUPTS, 3);
    expect(steps.map((step) => (step.kind === 'read' ? `${step.what}: ${step.reference}` : step.kind))).toEqual([
      'request',
      'request',
      'request',
      'register',
      'cache',
      'DTE: AMD-Vi (L72 VB FB)',
      'cache',
      'IRTE: AMD-Vi (FB L72 OV)',
    ]);
    expect(result).toMatchObject({ ok: true, message: { address: 0xfee0_2000n, data: 0x44 } });
  });

  it('says that an interrupt for a guest is recorded, that one passes, and why one is blocked', () => {
    const bench = new InspectBench();
    expect(explain(bench, INTERRUPTS, 4).result).toEqual({ ok: true, message: null });
    const passed = explain(bench, HOST, 0x31);
    expect(passed.result).toMatchObject({ ok: true, message: { data: 0x31 } });
    expect(passed.steps.at(-1)).toMatchObject({ kind: 'note', text: expect.stringContaining('pass') });
    expect(explain(bench, INTERRUPTS, 5).result).toMatchObject({
      fault: { name: 'IO_PAGE_FAULT.INTERRUPT_OFF', stage: 'interrupt', hint: FAULT_HINTS.INTERRUPT_OFF },
    });
  });
});

describe('a unit that is asked', () => {
  const addresses = [0n, 0x1000n, 0x3000n, 0x8000n, 0x20_0000n, 0x4000_0000n, 1n << 50n];

  function askEverything({ inspector }: InspectBench): void {
    for (const requester of [HOST, GUEST, INTERRUPTS, NOBODY, 0x200]) {
      for (const address of addresses) {
        for (const write of [false, true]) {
          inspector.explain({ requester, pasid: -1, address, write });
          inspector.explain({ requester, pasid: 2, address: GUEST_PAGE, write });
          inspector.explain({ requester, pasid: -1, address, write, also: ['translation request'] });
        }
      }
      for (const data of [3, 4, 5, 600]) inspector.explainInterrupt({ requester, address: 0xfee0_0000n, data });
    }
    inspector.tables();
    inspector.tables(GUEST, 2);
    inspector.interrupts();
    inspector.queue();
    inspector.logs();
    inspector.registers();
  }

  it('is as it was, also in what it does next', () => {
    const [asked, alone] = [new InspectBench(), new InspectBench()];
    const next = (bench: InspectBench, address: bigint) => [
      bench.access(HOST, address, true),
      bench.access(GUEST, GUEST_PAGE, address === 0n, { pasid: 2 }),
      bench.send(INTERRUPTS, 3),
      bench.send(INTERRUPTS, 4),
    ];
    for (const address of [0n, ...addresses, 0x1000n]) {
      const before = asked.digest();
      askEverything(asked);
      expect(asked.digest()).toBe(before);
      expect(next(asked, address)).toEqual(next(alone, address));
      expect(asked.digest()).toBe(alone.digest());
    }
  });

  it('does not set the bit of a guest’s interrupt, which the interrupt itself does', () => {
    const bench = new InspectBench();
    const word = () => bench.memory.read(Number(BACKING_PAGE) + 0x220, 4)![2];
    expect([bench.send(INTERRUPTS, 4, false), word()]).toEqual(['recorded', 0]);
    expect([bench.send(INTERRUPTS, 4), word()]).toEqual(['recorded', 0x20]);
  });

  it('does not keep an entry of the interrupt table cache young by asking for it', () => {
    const bench = new InspectBench();
    const entries = (vector: bigint) => {
      for (const index of [1n, 2n, 3n]) bench.put(0x70_0000n + index * 16n, 0x201n, vector);
    };
    entries(0x40n);
    expect([1, 2].map((index) => bench.send(INTERRUPTS, index))).toEqual([0x40, 0x40]);
    entries(0x50n);
    expect([bench.send(INTERRUPTS, 1, false), bench.send(INTERRUPTS, 3, false)]).toEqual([0x40, 0x50]);
    // The oldest one makes room.
    expect(bench.send(INTERRUPTS, 3)).toBe(0x50);
    expect([bench.send(INTERRUPTS, 1, false), bench.send(INTERRUPTS, 2, false)]).toEqual([0x50, 0x40]);
  });

  it('gives no number to a context that only questions have met', () => {
    const bench = new InspectBench();
    bench.access(HOST, 0x1000n, false);
    const before = bench.digest();
    // More contexts than are kept: were they numbered, the caches would have been emptied.
    for (let domain = 0; domain < 5000; domain++) {
      bench.put(DEVICE_TABLE + 0x600n, 0x6000_0000_0020_0603n, BigInt(domain));
      bench.access(NOBODY, 0x1000n, false, { effects: false });
    }
    bench.put(DEVICE_TABLE + 0x600n, 0n, 0n);
    expect(bench.digest()).toBe(before);
  });

  it('foresees what becomes of a request', () => {
    const bench = new InspectBench();
    for (const address of [...addresses, ...addresses]) {
      const { result } = told(bench, HOST, address, { write: true });
      expect(bench.access(HOST, address, true)).toBe(result.ok ? result.address : result.fault!.name);
    }
  });
});

describe('registers and caches', () => {
  it('shows each register that the unit has, by offset, decoded', () => {
    const views = new InspectBench().inspector.registers();
    expect(views.map(({ address }) => address)).toEqual(views.map(({ address }) => address).toSorted((a, b) => a - b));
    expect(views.find(({ what }) => what === 'Control')).toMatchObject({ address: 0x18, bits: 64, value: CONTROL });
    // No SMI filters, no counters.
    expect(views.some(({ what }) => what.startsWith('SMI') || what.startsWith('Counter'))).toBe(false);
  });

  it('lists every cache with what it holds', () => {
    const bench = new InspectBench();
    bench.access(HOST, 0x1000n, true);
    bench.access(GUEST, GUEST_PAGE, false, { pasid: 2 });
    bench.send(INTERRUPTS, 3);
    const caches = Object.fromEntries(bench.inspector.caches().map(({ name, entries }) => [name, entries]));
    expect(caches['IOTLB']).toMatchObject([
      { first: '0x1000', last: '0x1fff', to: '0x801000', access: 'RW', domain: '7' },
      { first: '0x5000', last: '0x5fff', to: '0x801000', access: 'RWUX', domain: '9', PASID: '2' },
    ]);
    expect(caches['device table cache']).toMatchObject([
      { device: '00:03.0', Mode: '3', HostPTRoot: '0x200000' },
      { device: '00:04.0', GV: '1' },
      { device: '00:05.0', IV: '1' },
    ]);
    expect(caches['GCR3 cache']).toEqual([{ domain: '9', PASID: '2', table: '0x400000' }]);
    expect(caches['page-directory cache']).toContainEqual({
      entry: 'host PDE, level 2',
      first: '0x0',
      last: '0x1fffff',
      table: '0x202000',
      domain: '7',
    });
    expect(caches['guest page-directory cache']).toHaveLength(3);
    expect(caches['interrupt table cache']).toMatchObject([
      { device: '00:05.0', index: '0x3', format: 'IRTE (128 bits)', Vector: '0x44' },
    ]);
  });

  it('shows the command buffer and the logs with head and tail', () => {
    const bench = new InspectBench();
    bench.submit([(2n << 60n) | 0x18n, 0n], [8n << 60n, 0n], [0xfn << 60n, 0n]);
    expect(bench.inspector.queue().children.map(({ what, note }) => [what, note])).toEqual([
      ['INVALIDATE_DEVTAB_ENTRY', undefined],
      ['INVALIDATE_IOMMU_ALL', undefined],
      ['command', 'head'],
      ['command', 'tail'],
    ]);
    const logs = bench.inspector.logs();
    expect(logs.map(({ what }) => what)).toEqual(['event log at 0x730000', 'PPR log at 0x0', 'GA log at 0x0']);
    expect(logs[0]!.children[0]).toMatchObject({ what: 'ILLEGAL_COMMAND_ERROR', note: 'head' });
    bench.set(0x10, 0x73_0000n);
    expect(bench.inspector.logs()[0]).toMatchObject({ note: 'its length code is reserved', children: [] });
  });
});
