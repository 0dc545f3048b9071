/** Error numbers that system calls return, negated. The numbers are Linux's on x86. */
export const ERRNO = {
  EPERM: 1,
  ENOENT: 2,
  EINTR: 4,
  EIO: 5,
  ENXIO: 6,
  E2BIG: 7,
  EBADF: 9,
  EAGAIN: 11,
  ENOMEM: 12,
  EACCES: 13,
  EFAULT: 14,
  EBUSY: 16,
  EEXIST: 17,
  ENODEV: 19,
  EINVAL: 22,
  EMFILE: 24,
  ENOTTY: 25,
  ENOSPC: 28,
  ESPIPE: 29,
  ERANGE: 34,
  EDEADLK: 35,
  EOVERFLOW: 75,
  EBADFD: 77,
  EMSGSIZE: 90,
  EOPNOTSUPP: 95,
  EADDRINUSE: 98,
  ETIMEDOUT: 110,
} as const;

export type ErrnoName = keyof typeof ERRNO;

export const {
  EPERM,
  ENOENT,
  EINTR,
  EIO,
  ENXIO,
  E2BIG,
  EBADF,
  EAGAIN,
  ENOMEM,
  EACCES,
  EFAULT,
  EBUSY,
  EEXIST,
  ENODEV,
  EINVAL,
  EMFILE,
  ENOTTY,
  ENOSPC,
  ESPIPE,
  ERANGE,
  EDEADLK,
  EOVERFLOW,
  EBADFD,
  EMSGSIZE,
  EOPNOTSUPP,
  EADDRINUSE,
  ETIMEDOUT,
} = ERRNO;

const NAMES: ReadonlyMap<number, ErrnoName> = new Map(
  Object.entries(ERRNO).map(([name, number]) => [number, name as ErrnoName]),
);

/** The name of a failed call's result, `undefined` for a success or an unknown number: `errnoName(-22)` is `'EINVAL'`. */
export function errnoName(result: number | bigint): ErrnoName | undefined {
  return NAMES.get(-Number(result));
}

/** A result as it is written in messages: `-EINVAL`, or the number. */
export function formatResult(result: number | bigint): string {
  const name = errnoName(result);
  return name === undefined ? String(result) : `-${name}`;
}
