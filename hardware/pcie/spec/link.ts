/** Links as the specification writes them: rates, encodings, what a TLP costs on the wire. */

/** Bytes that framing, sequence number and LCRC add to each TLP on the wire, the same in all generations. */
export const FRAMING_BYTES = 8;

export interface LinkRate {
  /** Tenths of a gigatransfer per second and lane. */
  readonly decitransfers: number;
  /** Bytes of TLPs in what the encoding transports: 8 of 10, 128 of 130, or 236 of a 256-byte flit. */
  readonly payload: number;
  readonly encoded: number;
}

/** By generation. */
export const LINK_RATES = {
  1: { decitransfers: 25, payload: 8, encoded: 10 },
  2: { decitransfers: 50, payload: 8, encoded: 10 },
  3: { decitransfers: 80, payload: 128, encoded: 130 },
  4: { decitransfers: 160, payload: 128, encoded: 130 },
  5: { decitransfers: 320, payload: 128, encoded: 130 },
  6: { decitransfers: 640, payload: 236, encoded: 256 },
} as const satisfies Record<number, LinkRate>;

export type Generation = keyof typeof LINK_RATES;
export type Width = 1 | 2 | 4 | 8 | 16;
