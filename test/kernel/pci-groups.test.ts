/** IOMMU groups of topologies that are drawn by hand: pcie.md §2.12 and §2.13, which are Linux's rules. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { groupsOf, isolates, requesterOf } from '../../src/kernel/pci/index.ts';
import { ALL_OFF, Drawing, REDIRECTING, SERVICES } from './pci-functions.ts';

const acs = REDIRECTING;

describe('Groups of functions', () => {
  it('on the root bus are one for each single function.', () => {
    const drawing = new Drawing();
    drawing.device(0x0008);
    drawing.device(0x0010);
    expect(drawing.groups).toEqual(['0008', '0010']);
  });

  it('are one for each device where every port on its way has access control.', () => {
    const drawing = new Drawing();
    const root = drawing.bridge(0x0008, 'root', { acs });
    const upstream = drawing.bridge(0x0100, 'upstream', { above: root });
    for (const rid of [0x0200, 0x0208]) {
      const port = drawing.bridge(rid, 'downstream', { above: upstream, acs });
      drawing.device(port.secondary << 8, { above: port });
    }
    expect(drawing.groups).toEqual(['0300', '0400']);
  });

  it('hold everything below a root port that has no access control, and nothing of another port.', () => {
    const drawing = new Drawing();
    const open = drawing.bridge(0x0008, 'root');
    drawing.device(0x0100, { above: open, multi: true, acs });
    drawing.device(0x0101, { above: open, multi: true, acs });
    const other = drawing.bridge(0x0010, 'root');
    drawing.device(0x0200, { above: other });
    expect(drawing.groups).toEqual(['0100 0101', '0200']);
  });

  it('hold everything below a switch that has no access control, though the port above it has.', () => {
    const drawing = new Drawing();
    const root = drawing.bridge(0x0008, 'root', { acs });
    const upstream = drawing.bridge(0x0100, 'upstream', { above: root });
    for (const rid of [0x0200, 0x0208]) {
      const port = drawing.bridge(rid, 'downstream', { above: upstream, acs: null });
      drawing.device(port.secondary << 8, { above: port });
    }
    expect(drawing.groups).toEqual(['0300 0400']);
  });

  it('hold everything below a switch when one of its ports has no access control: who comes down there goes across.', () => {
    const drawing = new Drawing();
    const root = drawing.bridge(0x0008, 'root', { acs });
    const upstream = drawing.bridge(0x0100, 'upstream', { above: root });
    for (const rid of [0x0200, 0x0208, 0x0210]) {
      const port = drawing.bridge(rid, 'downstream', { above: upstream, acs: rid === 0x0208 ? ALL_OFF : acs });
      drawing.device(port.secondary << 8, { above: port });
    }
    expect(drawing.groups).toEqual(['0300 0400 0500']);
  });

  it('hold everything below a switch below a root port that has no access control, though the switch has.', () => {
    const drawing = new Drawing();
    const root = drawing.bridge(0x0008, 'root');
    const upstream = drawing.bridge(0x0100, 'upstream', { above: root });
    for (const rid of [0x0200, 0x0208]) {
      const port = drawing.bridge(rid, 'downstream', { above: upstream, acs });
      drawing.device(port.secondary << 8, { above: port });
    }
    expect(drawing.groups).toEqual(['0300 0400']);
  });

  it('hold functions of one device that can reach each other, and leave out those that cannot.', () => {
    const drawing = new Drawing();
    drawing.device(0x0008, { multi: true });
    drawing.device(0x0009, { multi: true, acs });
    drawing.device(0x000a, { multi: true });
    drawing.device(0x000b, { multi: true, acs: ALL_OFF });
    drawing.device(0x0010, { multi: true });
    expect(drawing.groups).toEqual(['0008 000a 000b', '0009', '0010']);
  });

  it('hold everything behind a bridge to conventional PCI, whatever access control stands above it.', () => {
    const drawing = new Drawing();
    const root = drawing.bridge(0x0008, 'root', { acs });
    const bridge = drawing.bridge(0x0100, 'to-pci', { above: root, acs });
    drawing.device(0x0200, { above: bridge });
    drawing.device(0x0208, { above: bridge });
    const beside = drawing.bridge(0x0010, 'root', { acs });
    drawing.device(0x0300, { above: beside });
    expect(drawing.groups).toEqual(['0200 0208', '0300']);
  });

  it('hold everything behind bridges that stand behind such a bridge, whatever kind they are of.', () => {
    const drawing = new Drawing();
    const root = drawing.bridge(0x0008, 'root', { acs });
    const bridge = drawing.bridge(0x0100, 'to-pci', { above: root });
    const inner = drawing.bridge(0x0200, 'conventional', { above: bridge });
    drawing.device(0x0300, { above: inner });
    const back = drawing.bridge(0x0208, 'to-pcie', { above: bridge });
    const port = drawing.bridge(0x0400, 'root', { above: back, acs });
    drawing.device(0x0500, { above: port });
    expect(drawing.groups).toEqual(['0300 0500']);
  });
});

describe('The id that requests carry', () => {
  it('is the function’s own behind ports, and that of function 0 of the bus behind a bridge to conventional PCI.', () => {
    const drawing = new Drawing();
    const root = drawing.bridge(0x0008, 'root');
    expect(requesterOf(0x0108, root)).toBe(0x0108);
    const bridge = drawing.bridge(0x0100, 'to-pci', { above: root });
    expect(requesterOf(0x0208, bridge)).toBe(0x0200);
    expect(requesterOf(0x021f, bridge)).toBe(0x0200);
  });

  it('is that of the outermost bridge that lends its own.', () => {
    const drawing = new Drawing();
    const outer = drawing.bridge(0x00f0, 'conventional');
    const inner = drawing.bridge(0x0108, 'conventional', { above: outer });
    expect(requesterOf(0x0210, inner)).toBe(0x00f0);
    const root = drawing.bridge(0x0008, 'root');
    const bridge = drawing.bridge(0x0300, 'to-pci', { above: root });
    const behind = drawing.bridge(0x0408, 'conventional', { above: bridge });
    expect(requesterOf(0x0510, behind)).toBe(0x0400);
    const back = drawing.bridge(0x0010, 'to-pcie');
    expect(requesterOf(0x0600, back)).toBe(0x0010);
  });
});

describe('A function isolates', () => {
  const { SOURCE_VALIDATION, REQUEST_REDIRECT, COMPLETION_REDIRECT, UPSTREAM_FORWARDING, EGRESS_CONTROL } = SERVICES;
  const four = SOURCE_VALIDATION | REQUEST_REDIRECT | COMPLETION_REDIRECT | UPSTREAM_FORWARDING;
  const port = (supported: number, enabled: number) =>
    isolates(new Drawing().bridge(0x0008, 'root', { acs: { supported, enabled } }));

  it('as a port when all four services that it has are on.', () => {
    expect(port(four, four)).toBe(true);
    for (const one of [SOURCE_VALIDATION, REQUEST_REDIRECT, COMPLETION_REDIRECT, UPSTREAM_FORWARDING]) {
      expect(port(four, four & ~one), 'one that is there is off').toBe(false);
      expect(port(four & ~one, four & ~one), 'one that is off is not there').toBe(true);
    }
    expect(port(four | EGRESS_CONTROL, four), 'egress control is not asked for').toBe(true);
    expect(isolates(new Drawing().bridge(0x0008, 'root'))).toBe(false);
    expect(isolates(new Drawing().bridge(0x0008, 'downstream'))).toBe(false);
  });

  it('as a single function of PCI Express without any, and as one of several only with them.', () => {
    for (const kind of ['endpoint', 'integrated'] as const) {
      expect(isolates(new Drawing().device(8, { kind }))).toBe(true);
      expect(isolates(new Drawing().device(8, { kind, multi: true }))).toBe(false);
      expect(isolates(new Drawing().device(8, { kind, multi: true, acs: ALL_OFF }))).toBe(false);
      expect(isolates(new Drawing().device(8, { kind, multi: true, acs }))).toBe(true);
    }
    expect(isolates(new Drawing().bridge(8, 'upstream'))).toBe(true);
    expect(isolates(new Drawing().bridge(8, 'upstream', { multi: true }))).toBe(false);
  });

  it('never as a conventional one or a bridge between the two worlds.', () => {
    for (const kind of ['conventional', 'to-pci', 'to-pcie'] as const) {
      expect(isolates(new Drawing().bridge(8, kind, { acs }))).toBe(false);
    }
  });
});

/** What stands in a tree, in the order in which it is drawn; `above` chooses among the bridges there are. */
interface Node {
  readonly kind: 'root' | 'upstream' | 'downstream' | 'to-pci' | 'to-pcie' | 'conventional' | 'endpoint';
  readonly above: number;
  readonly slot: number;
  readonly fn: number;
  readonly acs: boolean;
}

const NODES = fc.array(
  fc.record<Node>({
    kind: fc.constantFrom(
      'root',
      'upstream',
      'downstream',
      'to-pci',
      'to-pcie',
      'conventional',
      'endpoint',
      'endpoint',
    ),
    above: fc.nat(30),
    slot: fc.nat(2),
    fn: fc.nat(2),
    acs: fc.boolean(),
  }),
  { maxLength: 25 },
);

/** `more` are the nodes with access control though their description says no. */
function draw(nodes: readonly Node[], more: ReadonlySet<number> = new Set()): Drawing {
  const drawing = new Drawing();
  const taken = new Set<number>();
  nodes.forEach(({ kind, above, slot, fn, acs: has }, i) => {
    const bridge = drawing.bridges[above % (drawing.bridges.length + 1)];
    const rid = ((bridge?.secondary ?? 0) << 8) | (slot << 3) | fn;
    if (taken.has(rid)) return;
    taken.add(rid);
    const multi = nodes.some((other) => other.fn > 0);
    const what = { multi, acs: has || more.has(i) ? acs : null, ...(bridge && { above: bridge }) };
    if (kind === 'endpoint') drawing.device(rid, what);
    else drawing.bridge(rid, kind, what);
  });
  return drawing;
}

describe('In any tree, groups', () => {
  it('hold every device once, and no bridge.', () => {
    fc.assert(
      fc.property(NODES, (nodes) => {
        const { devices, bridges } = draw(nodes);
        const all = groupsOf(devices, bridges).flat();
        expect(new Set(all)).toEqual(new Set(devices));
        expect(all).toHaveLength(devices.length);
      }),
    );
  });

  it('are only ever divided, never merged, by more access control.', () => {
    fc.assert(
      fc.property(NODES, fc.array(fc.nat(24)), (nodes, more) => {
        const before = draw(nodes).groups;
        for (const group of draw(nodes, new Set(more)).groups) {
          const whole = before.find((other) => other.split(' ').includes(group.split(' ')[0]!))!;
          expect(whole.split(' ')).toEqual(expect.arrayContaining(group.split(' ')));
        }
      }),
    );
  });
});
