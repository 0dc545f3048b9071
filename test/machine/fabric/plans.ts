/** Arbitrary fabrics, as plain data: what hangs below what, over which links, under which access control. */
import fc from 'fast-check';
import { AcsBit, DLLP_MODELS, SizeCode } from '../../../hardware/pcie/index.ts';
import { CREDIT_BYTES, LARGEST_NON_POSTED } from '../../../hardware/pcie/spec/index.ts';
import type { MachineSpec } from '../../../src/machine/schema.ts';

type LinkSpec = MachineSpec['link'];

/** Bits of `AcsBit` that are on at a port, and the egress control vector. */
export interface AcsPlan {
  readonly enabled: number;
  readonly egress: number;
}

/** Credits of data are those beyond the largest TLP of the class. */
export type LinkPlan = Omit<LinkSpec, 'maxPayload'>;

export type NodePlan =
  | { readonly kind: 'device'; readonly functions: number }
  | { readonly kind: 'bridge'; readonly functions: number }
  | {
      readonly kind: 'switch';
      readonly latency: number;
      readonly link: LinkPlan;
      readonly ports: readonly PortPlan[];
    };

/** A root port or a downstream port, and what is below it. */
export interface PortPlan {
  readonly acs: AcsPlan;
  readonly node: NodePlan;
}

export interface FunctionPlan {
  /** Code of Max_Read_Request_Size. */
  readonly readRequest: number;
  readonly tags: number;
  /** IDO Completion Enable, as in a root port. */
  readonly ordersById: boolean;
}

export interface FabricPlan {
  readonly seed: number;
  /** Code of Max_Payload_Size, the same for everybody. */
  readonly payload: number;
  /** Dealt out to the functions in turn. */
  readonly requesters: readonly FunctionPlan[];
  /** Requests that the translation agent works on at a time, and its most nanoseconds for one. */
  readonly agent: { readonly credits: number; readonly slowest: number };
  readonly host: { readonly maxPayload: number; readonly boundary: number; readonly latency: number };
  /** Of integrated devices and conventional buses. */
  readonly link: LinkPlan;
  readonly rootPorts: readonly (PortPlan & { readonly link: LinkPlan; readonly ordersById: boolean })[];
  /** How many functions each device on bus 0 has. */
  readonly integrated: readonly number[];
}

/** What may be on without keeping anything untranslated from its way: with Upstream Forwarding everything comes back down. */
export const OPEN: fc.Arbitrary<AcsPlan> = fc
  .nat(0x7f)
  .map((bits) => ({ enabled: (bits & ~AcsBit.EGRESS_CONTROL) | AcsBit.UPSTREAM_FORWARDING, egress: 0 }));

export const ANY: fc.Arbitrary<AcsPlan> = fc.record({ enabled: fc.nat(0x7f), egress: fc.nat(0xf) });

const few = (most: number, least = 1) => fc.option(fc.integer({ min: least, max: most }), { nil: null, freq: 3 });

const errors = fc.record({
  bitErrorRate: fc.constantFrom(0, 1e-5),
  tlpErrorRate: fc.constantFrom(0, 0.02, 0.3),
  retrain: fc.nat(20_000),
});

const link: fc.Arbitrary<LinkPlan> = fc.record({
  generation: fc.constantFrom(1, 2, 3, 4, 5, 6),
  width: fc.constantFrom(1, 2, 4, 8, 16),
  latency: fc.nat(1500),
  credits: fc.record({
    PH: few(4),
    PD: few(8, 0),
    NPH: few(4),
    NPD: few(8, 0),
    CPLH: few(4),
    CPLD: few(8, 0),
  }),
  updateFc: fc.oneof(fc.constant(0), fc.nat(2000)),
  dllp: fc.constantFrom(...DLLP_MODELS),
  ecrc: fc.boolean(),
  errors: fc.option(errors, { nil: null, freq: 1 }),
});

/** Depth of switches below switches. */
const DEEPEST = 4;

export function fabrics(acs: fc.Arbitrary<AcsPlan>): fc.Arbitrary<FabricPlan> {
  const functions = fc.integer({ min: 1, max: 3 });
  const { port } = fc.letrec<{ port: PortPlan; node: NodePlan; switch: NodePlan }>((tie) => ({
    port: fc.record({ acs, node: tie('node') }),
    node: fc.oneof(
      { maxDepth: DEEPEST, depthIdentifier: 'switches', depthSize: 'small' },
      { weight: 2, arbitrary: fc.record({ kind: fc.constant('device' as const), functions }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant('bridge' as const), functions }) },
      { weight: 3, arbitrary: tie('switch') },
    ),
    switch: fc.record({
      kind: fc.constant('switch' as const),
      latency: fc.nat(300),
      link,
      ports: fc.array(tie('port'), { minLength: 1, maxLength: 4, depthIdentifier: 'switches' }),
    }),
  }));
  return fc.record({
    seed: fc.nat(0xffff),
    payload: fc.integer({ min: SizeCode.B128, max: SizeCode.B512 }),
    requesters: fc.array(
      fc.record({
        readRequest: fc.integer({ min: SizeCode.B128, max: SizeCode.B4096 }),
        tags: fc.integer({ min: 1, max: 40 }),
        ordersById: fc.boolean(),
      }),
      { minLength: 1, maxLength: 4 },
    ),
    agent: fc.record({ credits: fc.integer({ min: 1, max: 20 }), slowest: fc.constantFrom(0, 20, 2000) }),
    host: fc.record({
      maxPayload: fc.constantFrom(128, 256, 512),
      boundary: fc.constantFrom(64, 128),
      latency: fc.nat(500),
    }),
    link,
    rootPorts: fc.array(
      fc.tuple(port, link, fc.boolean()).map(([below, wire, ordersById]) => ({ ...below, link: wire, ordersById })),
      { minLength: 1, maxLength: 3 },
    ),
    integrated: fc.array(functions, { maxLength: 2 }),
  });
}

/** The largest TLP of each class has its credits, and what the plan says beyond them. */
export function linkSpec({ credits, ...rest }: LinkPlan, payload: number): LinkSpec {
  const atLeast = (bytes: number, more: number | null) => (more === null ? null : bytes / CREDIT_BYTES + more);
  return {
    ...rest,
    maxPayload: 256,
    credits: {
      ...credits,
      PD: atLeast(payload, credits.PD),
      NPD: atLeast(LARGEST_NON_POSTED, credits.NPD),
      CPLD: atLeast(payload, credits.CPLD),
    },
  };
}
