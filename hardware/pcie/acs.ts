/** Access control services of a downstream port (PCIe 6.12.1.1, 6.12.3): which way something goes that is meant for another port of the same switch. */
import { AcsBit, AddressType } from './spec/index.ts';
import { Attribute, CreditClass, type Tlp } from './tlp.ts';

/** The services that are on, and what egress control forbids. */
export interface AccessControl {
  has(services: number): boolean;
  /** True when egress control is on and forbids the port with this number. */
  blocks(target: number): boolean;
}

/** Straight to the other port, up to the root complex, refused as a violation, or to nobody. */
export type Way = 'across' | 'up' | 'blocked' | 'nobody';

/**
 * Where a TLP from below goes whose way leads down again at port `target`. `isBack` is true when that is the port that it
 * came from. `acs` is null for a port without access control.
 */
export function redirect(acs: AccessControl | null, tlp: Tlp, target: number, isBack: boolean): Way {
  const has = (service: number) => acs?.has(service) === true;
  // Requests and completions alike that a port below has redirected. Without the service this is undefined.
  if (isBack) return has(AcsBit.UPSTREAM_FORWARDING) ? 'up' : 'nobody';
  if (tlp.creditClass === CreditClass.COMPLETION) {
    // Redirected are completions whose order counts; no other service concerns completions.
    const isRelaxed = (tlp.attributes & Attribute.RELAXED_ORDERING) !== 0;
    return has(AcsBit.COMPLETION_REDIRECT) && !isRelaxed ? 'up' : 'across';
  }
  if (!tlp.isMemoryRequest) return has(AcsBit.REQUEST_REDIRECT) ? 'up' : 'across';
  if (tlp.addressType === AddressType.TRANSLATED && has(AcsBit.DIRECT_TRANSLATED)) return 'across';
  const isRedirected = has(AcsBit.REQUEST_REDIRECT);
  // With egress control on, its vector decides; what it forbids is redirected, or else a violation.
  if (has(AcsBit.EGRESS_CONTROL)) {
    if (acs!.blocks(target)) return isRedirected ? 'up' : 'blocked';
    return 'across';
  }
  return isRedirected ? 'up' : 'across';
}
