/** What devices ask in a sequence. */
import type { Setting } from './world.ts';

/** Where a request goes, as hardware looks it up. */
export interface Place {
  readonly sid: number;
  /** -1 without. */
  readonly pasid: number;
  readonly privileged: boolean;
  readonly address: number;
}

/** An untranslated access, a translation request, or an access through the device's own TLB. */
export type Way = 'untranslated' | 'translation' | 'device';

export interface Request {
  readonly place: Place;
  readonly way: Way;
  readonly write: boolean;
}

/** Each place with all that can be wanted there. */
export function drawRequests({ sids, pasids, addresses, privileged, ats }: Setting): Request[][] {
  const groups: Request[][] = [];
  for (const sid of sids) {
    for (const pasid of pasids) {
      for (const address of addresses) {
        for (const supervisor of privileged && pasid >= 0 ? [false, true] : [false]) {
          const place = { sid, pasid, privileged: supervisor, address };
          const ways: Way[] = ats ? ['untranslated', 'translation', 'device'] : ['untranslated'];
          groups.push(ways.flatMap((way) => [false, true].map((write) => ({ place, way, write }))));
        }
      }
    }
  }
  return groups;
}

// An outcome is a number: a host address with what may be done there, or a fault.

/** Of a translation request: which rights it is answered with. */
const COMPLETED = 4;
/** The device's own TLB does not let it through. */
export const STOPPED = 3;

export const reached = (hpa: number): number => hpa * 8;
export const translated = (hpa: number, rights: number): number =>
  rights === 0 ? COMPLETED : hpa * 8 + COMPLETED + rights;
export const faulted = (code: number, recorded: boolean): number => -(code * 2 + (recorded ? 1 : 0));

export const isTranslated = (outcome: number): boolean => outcome >= 0 && outcome % 8 >= COMPLETED;
export const rightsIn = (outcome: number): number => outcome % COMPLETED;
export const addressIn = (outcome: number): number => Math.floor(outcome / 8);

export function show({ place: { sid, pasid, privileged, address }, way, write }: Request): string {
  const who = `${sid.toString(16)}${pasid < 0 ? '' : `/${pasid.toString(16)}`}${privileged ? ' supervisor' : ''}`;
  return `${who} ${write ? 'write' : 'read'} ${address.toString(16)}${way === 'untranslated' ? '' : ` (${way})`}`;
}

export function name(outcome: number): string {
  if (outcome < 0) return `fault ${Math.floor(-outcome / 2).toString(16)}${-outcome % 2 === 1 ? '' : ' unrecorded'}`;
  if (outcome === STOPPED) return 'stopped by the device';
  const at = addressIn(outcome).toString(16);
  return isTranslated(outcome) ? `${at} rights ${rightsIn(outcome)}` : at;
}
