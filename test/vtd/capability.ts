/** VER, CAP and ECAP from named fields, with literal bit arithmetic (vtd.md sections 1.3 to 1.5). */
import type { IntelCapabilities } from '../../hardware/index.ts';

/** The fields of VER, CAP and ECAP that the tests vary. */
export interface Capability {
  major?: number;
  nd?: number;
  plmr?: boolean;
  phmr?: boolean;
  ecmds?: boolean;
  cm?: boolean;
  sagaw?: number;
  mgaw?: number;
  zlr?: boolean;
  sslps?: number;
  psi?: boolean;
  nfr?: number;
  mamv?: number;
  pi?: boolean;
  drain?: boolean;
  esirtps?: boolean;
  esrtps?: boolean;
  qi?: boolean;
  dt?: boolean;
  ir?: boolean;
  eim?: boolean;
  mhmv?: number;
  pt?: boolean;
  sc?: boolean;
  dit?: boolean;
  pds?: boolean;
  pasid?: boolean;
  vcs?: boolean;
  pms?: boolean;
  adms?: boolean;
  ssirws?: boolean;
  nwfs?: boolean;
  eimer?: boolean;
  irreq?: boolean;
  fs1gp?: boolean;
  fs5lp?: boolean;
  nest?: boolean;
  prs?: boolean;
  ers?: boolean;
  srs?: boolean;
  eafs?: boolean;
  pss?: number;
  smts?: boolean;
  ssads?: boolean;
  ssts?: boolean;
  fsts?: boolean;
  smpwcs?: boolean;
  rps?: boolean;
  rprivs?: boolean;
  hpts?: boolean;
  ptrs?: boolean;
  hpt1gps?: boolean;
}

/** 48-bit, three and four levels, all page sizes, everything of legacy mode that a unit can have. */
const USUAL = {
  drain: true,
  major: 1,
  nd: 6,
  plmr: false,
  phmr: false,
  ecmds: false,
  cm: false,
  sagaw: 0b00110,
  mgaw: 48,
  zlr: true,
  sslps: 3,
  psi: true,
  nfr: 1,
  mamv: 18,
  pi: false,
  esirtps: false,
  esrtps: false,
  qi: true,
  dt: true,
  ir: true,
  eim: true,
  mhmv: 15,
  pt: true,
  sc: true,
  dit: false,
  pds: false,
  pasid: false,
  vcs: false,
  pms: false,
  adms: false,
  ssirws: false,
  nwfs: false,
  eimer: false,
  irreq: false,
  fs1gp: false,
  fs5lp: false,
  nest: false,
  prs: false,
  ers: false,
  srs: false,
  eafs: false,
  pss: 0,
  smts: false,
  ssads: false,
  ssts: false,
  fsts: false,
  smpwcs: false,
  rps: false,
  rprivs: false,
  hpts: false,
  ptrs: false,
  hpt1gps: false,
} satisfies Required<Capability>;

const at = (n: number, on: boolean): bigint => (on ? 1n << BigInt(n) : 0n);

/** FRCD is at 220h and IVA at 0F0h, as in QEMU. `nfr` counts records, `mgaw` bits. */
export function capabilities(wanted: Capability = {}): IntelCapabilities {
  const c = { ...USUAL, ...wanted };
  const cap =
    BigInt(c.nd) |
    at(5, c.plmr) |
    at(6, c.phmr) |
    at(7, c.cm) |
    (BigInt(c.sagaw) << 8n) |
    (BigInt(c.mgaw - 1) << 16n) |
    at(22, c.zlr) |
    (0x22n << 24n) |
    (BigInt(c.sslps) << 34n) |
    at(39, c.psi) |
    (BigInt(c.nfr - 1) << 40n) |
    (BigInt(c.mamv) << 48n) |
    at(54, c.drain) |
    at(55, c.drain) |
    at(56, c.fs1gp) |
    at(59, c.pi) |
    at(60, c.fs5lp) |
    at(61, c.ecmds) |
    at(62, c.esirtps) |
    at(63, c.esrtps);
  const ecap =
    1n |
    at(1, c.qi) |
    at(2, c.dt) |
    at(3, c.ir) |
    at(4, c.eim) |
    at(6, c.pt) |
    at(7, c.sc) |
    (0xfn << 8n) |
    (BigInt(c.mhmv) << 20n) |
    at(41, c.dit) |
    at(42, c.pds) |
    at(40, c.pasid) |
    at(44, c.vcs) |
    at(51, c.pms) |
    at(52, c.adms) |
    at(33, c.nwfs) |
    at(57, c.ssirws) |
    at(61, c.eimer) |
    at(62, c.irreq) |
    scalable(c);
  return { ver: BigInt(c.major) << 4n, cap, ecap };
}

/** The fields of ECAP that scalable mode brings. */
function scalable(c: Required<Capability>): bigint {
  return (
    at(26, c.nest) |
    at(29, c.prs) |
    at(30, c.ers) |
    at(31, c.srs) |
    at(34, c.eafs) |
    (BigInt(c.pss) << 35n) |
    at(43, c.smts) |
    at(45, c.ssads) |
    at(46, c.ssts) |
    at(47, c.fsts) |
    at(48, c.smpwcs) |
    at(49, c.rps) |
    at(53, c.rprivs) |
    at(55, c.hpts) |
    at(56, c.ptrs) |
    at(59, c.hpt1gps)
  );
}
