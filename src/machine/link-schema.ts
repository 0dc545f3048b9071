/** What a machine specification may say about a link. */
import type { z } from 'zod';
import { DLLP_MODELS } from '../../hardware/pcie/index.ts';
import { CREDIT_BYTES, type CreditType, LARGEST_NON_POSTED, PAYLOAD_SIZES } from '../../hardware/pcie/spec/index.ts';
import { between, choice, flag, oneOf, section, whole } from './kinds.ts';

/** null is infinite. */
function credits(most: number) {
  return whole(1, most).nullable().default(null);
}

export const LINK_SECTION = section({
  generation: choice([1, 2, 3, 4, 5, 6]),
  /** Lanes. */
  width: choice([1, 2, 4, 8, 16]),
  /** Nanoseconds from one end to the other, beside the time that the bytes take. */
  latency: between(0, 100_000, 'nanoseconds'),
  /** What each end can hold: headers, and data in units of 16 bytes, of posted and non-posted requests and completions. */
  credits: section({
    PH: credits(4096),
    PD: credits(65_536),
    NPH: credits(4096),
    NPD: credits(65_536),
    CPLH: credits(4096),
    CPLD: credits(65_536),
  }),
  /** Nanoseconds from the release of a TLP until its sender has the credits back. */
  updateFc: between(0, 100_000, 'nanoseconds').default(0),
  /** What Ack, UpdateFC and SKIP take of the bandwidth: see `docs/deviations.md`, P1. */
  dllp: oneOf(DLLP_MODELS).default('none'),
  /** Max_Payload_Size, by which the published model of that share goes. */
  maxPayload: choice(PAYLOAD_SIZES).default(256),
  /** Whether each TLP ends with a digest of four bytes. */
  ecrc: flag().default(false),
  /** How often what the link carries arrives damaged and is sent again; null is never. */
  errors: section({
    bitErrorRate: between(0, 0.00001, 'errors per bit').default(0),
    tlpErrorRate: between(0, 0.5, 'errors per TLP').default(0),
    /** Nanoseconds that the link needs to retrain, after replays that did not help. */
    retrain: between(0, 1_000_000, 'nanoseconds').default(10_000),
  })
    .nullable()
    .default(null),
});

type Refuse = (type: CreditType, message: string) => void;

/** Refuses credits with which the largest TLP of a class could never be sent. `payload` is the largest that an end supports. */
export function checkCredits(credits: z.output<typeof LINK_SECTION>['credits'], payload: number, refuse: Refuse): void {
  const least = { PD: payload, NPD: LARGEST_NON_POSTED, CPLD: payload };
  for (const [type, bytes] of Object.entries(least) as [keyof typeof least, number][]) {
    const units = bytes / CREDIT_BYTES;
    if ((credits[type] ?? Infinity) >= units) continue;
    const what = type === 'NPD' ? 'a deferrable write' : 'a payload';
    refuse(type, `null (no limit) or at least ${units}, for ${what} of ${bytes} bytes`);
  }
}
