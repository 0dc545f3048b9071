/** Context and PASID-table entries of scalable mode, from what they mean. */
import { contextWords, Pgtt, pasidWords } from '../scalable.ts';
import type { Context, Setting, Space } from './world.ts';

/** HPTDID begins at this bit. */
const HPTDID = 320;

export function contextWordsOf(context: Context, directory: number): bigint[] {
  const { fault } = context;
  return contextWords({
    p: fault !== 0x41,
    fpd: context.fpd,
    dte: fault === 0x43 ? false : context.deviceTlb,
    pre: fault === 0x43,
    paside: context.pasids,
    eptr: context.translatedPasids,
    hpte: context.host,
    bits: fault === 0x42 ? [7] : [],
    pdts: 7,
    directory: BigInt(directory),
    ridPasid: context.ridPasid,
    ridPriv: context.ridPrivileged,
  });
}

export function pasidWordsOf(space: Space, { levels, firstLevels, extendedAccessed }: Setting): bigint[] {
  const { fault, host } = space;
  const hostDid = [0, 1, 2].filter((n) => ((host?.did ?? 0) >>> n) & 1).map((n) => HPTDID + n);
  return pasidWords({
    p: fault !== 0x59,
    fpd: space.fpd,
    pgtt: fault === 0x5b ? 0 : space.kind === 0 ? Pgtt.PASS : space.kind,
    bits: fault === 0x5a ? [5] : hostDid,
    did: space.did,
    aw: levels - 2,
    ssade: space.second?.flags === true,
    ssptptr: BigInt(space.second?.top ?? 0),
    sre: space.supervisor,
    wpe: space.writeProtect,
    eafe: extendedAccessed && space.first !== null,
    fspm: firstLevels - 4,
    fsptptr: BigInt(space.first?.top ?? 0),
    hptptr: BigInt(host?.top ?? 0),
  });
}
