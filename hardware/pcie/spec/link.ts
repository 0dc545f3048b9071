/** Links as the specification writes them: rates, encodings, what a TLP costs on the wire, credits, replay. */

/** Bytes that framing, sequence number and LCRC add to each TLP on the wire, the same in all generations. */
export const FRAMING_BYTES = 8;

/** Bytes of the digest (ECRC) that a TLP may end with. */
export const DIGEST_BYTES = 4;

export interface LinkRate {
  /** Tenths of a gigatransfer per second and lane. */
  readonly decitransfers: number;
  /** Bytes of TLPs in what the encoding transports: 8 of 10, 128 of 130, or 236 of a 256-byte flit. */
  readonly payload: number;
  readonly encoded: number;
  /** Bytes of it that are set aside for DLLPs: 6 of a flit. In other encodings DLLPs stand between TLPs. */
  readonly dllp: number;
}

/** By generation. Those with flits are rates only: their TLPs have the headers of the others. */
export const LINK_RATES = {
  1: { decitransfers: 25, payload: 8, encoded: 10, dllp: 0 },
  2: { decitransfers: 50, payload: 8, encoded: 10, dllp: 0 },
  3: { decitransfers: 80, payload: 128, encoded: 130, dllp: 0 },
  4: { decitransfers: 160, payload: 128, encoded: 130, dllp: 0 },
  5: { decitransfers: 320, payload: 128, encoded: 130, dllp: 0 },
  6: { decitransfers: 640, payload: 236, encoded: 256, dllp: 6 },
  7: { decitransfers: 1280, payload: 236, encoded: 256, dllp: 6 },
} as const satisfies Record<number, LinkRate>;

export type Generation = keyof typeof LINK_RATES;
export type Width = 1 | 2 | 4 | 8 | 16 | 32;
/** Values of Max_Payload_Size and Max_Read_Request_Size in bytes. */
export const PAYLOAD_SIZES = [128, 256, 512, 1024, 2048, 4096] as const;
export type PayloadSize = (typeof PAYLOAD_SIZES)[number];

/** What a DLLP takes on the wire, and the ordered set that is skipped for clock compensation: 4 symbols in 1538. */
export const DLLP_BYTES = 8;
export const SKIP = { symbols: 4, interval: 1538 } as const;

/** Header and data credits of posted and non-posted requests and of completions. A unit of data is 16 bytes. */
export const CREDIT_TYPES = ['PH', 'PD', 'NPH', 'NPD', 'CPLH', 'CPLD'] as const;
export type CreditType = (typeof CREDIT_TYPES)[number];
export const CREDIT_BYTES = 16;
/** Bytes of the largest request that is answered and carries data: a deferrable write. */
export const LARGEST_NON_POSTED = 128;

/** REPLAY_NUM has two bits: the fourth replay without progress in between makes it roll over, and the link retrain. */
export const REPLAY_NUM_ROLLOVER = 4;
