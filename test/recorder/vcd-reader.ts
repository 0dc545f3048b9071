/** Reads a Value Change Dump (IEEE 1364-2005, 18.2), strictly: whatever is not of its grammar, or goes back in time, throws. */
export interface Signal {
  readonly type: string;
  readonly bits: number;
  /** When it changed, and to what; an event has no value. */
  readonly changes: (readonly [at: number, value: string])[];
}

export interface Waves {
  readonly timescale: string;
  /** By scope and name: `iommu0.tasks`. */
  readonly signals: ReadonlyMap<string, Signal>;
  readonly end: number;
}

const TYPES = ['event', 'integer', 'reg', 'wire'];

export function readVcd(text: string): Waves {
  const tokens = text.split(/\s+/).filter((token) => token !== '');
  const signals = new Map<string, Signal>();
  const byCode = new Map<string, Signal>();
  const scopes: string[] = [];
  let timescale = '';
  let now = -1;
  const next = (): string => {
    const token = tokens.shift();
    if (token === undefined) throw new Error('it ends in the middle');
    return token;
  };
  const section = (): string[] => {
    const words: string[] = [];
    for (let word = next(); word !== '$end'; word = next()) words.push(word);
    return words;
  };
  const change = (code: string, value: string): void => {
    const signal = byCode.get(code);
    if (signal === undefined) throw new Error(`no signal has the code ${code}`);
    if (now < 0) throw new Error('a change before the first instant');
    if (value.length > signal.bits || !/^[01xz]+$/.test(value)) throw new Error(`${code} cannot be ${value}`);
    signal.changes.push([now, value]);
  };
  for (let isDeclaring = true; isDeclaring; ) {
    const keyword = next();
    const words = section();
    if (keyword === '$scope') scopes.push(words[1]!);
    else if (keyword === '$upscope') scopes.pop();
    else if (keyword === '$timescale') timescale = words.join(' ');
    else if (keyword === '$enddefinitions') isDeclaring = false;
    else if (keyword === '$var') {
      const [type, bits, code, name] = words as [string, string, string, string];
      if (!TYPES.includes(type) || !/^[!-~]+$/.test(code) || byCode.has(code)) throw new Error(`no signal: ${words}`);
      const signal: Signal = { type, bits: Number(bits), changes: [] };
      byCode.set(code, signal);
      signals.set([...scopes.slice(1), name].join('.'), signal);
    } else if (keyword !== '$version' && keyword !== '$comment') throw new Error(`no keyword: ${keyword}`);
  }
  if (scopes.length > 0) throw new Error('a scope does not end');
  while (tokens.length > 0) {
    const token = next();
    if (token === '$dumpvars' || token === '$end') continue;
    if (token.startsWith('#')) {
      const at = Number(token.slice(1));
      if (!(at > now)) throw new Error(`time goes from ${now} to ${at}`);
      now = at;
    } else if (token.startsWith('b')) change(next(), token.slice(1));
    else change(token.slice(1), token[0]!);
  }
  return { timescale, signals, end: now };
}
