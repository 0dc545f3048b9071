import { MALICIOUS, Malicious } from '../../../hardware/devices/malicious/index.ts';
import { section, whole, word } from '../kinds.ts';
import { model, payloadSupported } from './model.ts';

export const MALICIOUS_MODEL = model(
  'malicious',
  {
    /** What it claims to handle. */
    payloadSupported: payloadSupported().default(MALICIOUS.payloadSupported),
    /** Zeros that it writes by itself, again and again from power-on. */
    early: section({
      address: word(64),
      length: whole(1, 128),
      /** Nanoseconds before each. */
      every: whole(1, 1_000_000_000),
      count: whole(1, 65_536),
    })
      .nullable()
      .default(null),
  },
  (engine, { early, ...spec }) =>
    new Malicious(engine, { ...spec, early: early === null ? null : { ...early, address: BigInt(early.address) } }),
);
