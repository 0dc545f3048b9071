import { MALICIOUS, Malicious } from '../../../hardware/devices/malicious/index.ts';
import { model, payloadSupported } from './model.ts';

export const MALICIOUS_MODEL = model(
  'malicious',
  {
    /** What it claims to handle. */
    payloadSupported: payloadSupported().default(MALICIOUS.payloadSupported),
  },
  (engine, spec) => new Malicious(engine, spec),
);
