import type { ConfigSpec } from '../../pcie/index.ts';
import {
  MALICIOUS_BAR,
  MALICIOUS_BAR_BYTES,
  MALICIOUS_CLASS,
  MALICIOUS_DEVICE,
  MALICIOUS_VENDOR,
  REVISION,
} from './spec.ts';

/** It has every capability that makes others trust it. */
export const CONFIG = {
  vendor: MALICIOUS_VENDOR,
  device: MALICIOUS_DEVICE,
  revision: REVISION,
  classCode: MALICIOUS_CLASS,
  bars: [{ index: MALICIOUS_BAR, size: MALICIOUS_BAR_BYTES, wide: true, prefetchable: false }],
  msiVectors: 1,
  pciExpress: { flr: true },
  capabilities: {
    aer: true,
    ats: { queueDepth: 32, pageAligned: true, globalInvalidate: true },
    pri: { capacity: 64 },
    pasid: { width: 20, execute: true, privileged: true },
  },
} as const satisfies Partial<ConfigSpec>;
