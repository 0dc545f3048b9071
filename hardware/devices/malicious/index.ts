export { MALICIOUS, Malicious, type MaliciousSpec, type MaliciousState } from './malicious.ts';
