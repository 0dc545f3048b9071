/** What devices ask in a sequence, and how a request ends. */
import type { Setting } from './world.ts';

export interface Place {
  readonly sid: number;
  /** -1 without. */
  readonly pasid: number;
  readonly privileged: boolean;
  readonly address: number;
}

export interface Request {
  readonly place: Place;
  readonly write: boolean;
}

/** Each place with all that can be wanted there. */
export function drawRequests({ sids, pasids, addresses, privileged }: Setting): Request[][] {
  const groups: Request[][] = [];
  for (const sid of sids) {
    for (const pasid of pasids) {
      for (const address of addresses) {
        for (const supervisor of privileged && pasid >= 0 ? [false, true] : [false]) {
          const place = { sid, pasid, privileged: supervisor, address };
          groups.push([false, true].map((write) => ({ place, write })));
        }
      }
    }
  }
  return groups;
}

/** What an event says of the condition that blocked a request: its code, and flags. */
export interface Event {
  readonly code: number;
  readonly pr?: number | undefined;
  readonly pe?: number | undefined;
  readonly rz?: number | undefined;
}

/** A request ends at a system address, or in an event. */
export const reached = (address: number): number => address;
export function blocked({ code, pr = 0, pe = 0, rz = 0 }: Event, isLogged: boolean): number {
  return -(code * 16 + pr * 8 + pe * 4 + rz * 2 + (isLogged ? 1 : 0));
}

export function show({ place: { sid, pasid, privileged, address }, write }: Request): string {
  const who = `${sid.toString(16)}${pasid < 0 ? '' : `/${pasid.toString(16)}`}${privileged ? ' supervisor' : ''}`;
  return `${who} ${write ? 'write' : 'read'} ${address.toString(16)}`;
}

export function name(outcome: number): string {
  if (outcome >= 0) return outcome.toString(16);
  const told = ['logged', 'RZ', 'PE', 'PR'].filter((_, n) => ((-outcome >> n) & 1) !== 0);
  return `event ${-outcome >> 4} ${told.join(' ')}`;
}
