import { linkSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';

/**
 * Who owns the embedded database of a folder. Node has no file locks, so ownership is a chain of numbered files: the
 * one with the highest number counts, and a new owner creates the next number, which only one process can do. The last
 * file is never removed, only replaced by a later one, so that nobody can start the chain anew behind another's back.
 */
interface Claim {
  readonly pid: number;
  /** Ticks since boot at which the process started: tells it from a later one with the same id. Null where unknown. */
  readonly started: string | null;
  readonly socket: string;
  readonly released: boolean;
}

export interface Ownership {
  /** Gives the folder free. */
  release(): void;
}

const CLAIM = /^owner\.(\d{9})$/;

function startOf(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The command, field 2, is in parentheses and may hold anything; the start time is field 22.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? null;
  } catch {
    return null;
  }
}

function isRunning({ pid, started }: Claim): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
  return started === null || startOf(pid) === started;
}

/** Whether somebody accepts connections there: also true across containers, where process ids say nothing. */
function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

function lastClaim(folder: string): { number: number; claim: Claim | null } {
  const numbers = readdirSync(folder).flatMap((name) => Number(CLAIM.exec(name)?.[1] ?? []));
  const number = Math.max(0, ...numbers);
  if (number === 0) return { number, claim: null };
  try {
    return { number, claim: JSON.parse(readFileSync(claimFile(folder, number), 'utf8')) as Claim };
  } catch {
    // Replaced by a later one between the two reads.
    return lastClaim(folder);
  }
}

const claimFile = (folder: string, number: number): string => join(folder, `owner.${String(number).padStart(9, '0')}`);

/** Writes a whole file beside its place and answers its path. */
function writeBeside(folder: string, claim: Claim): string {
  const path = join(folder, `claim.${process.pid}.${Math.random().toString(36).slice(2)}`);
  writeFileSync(path, JSON.stringify(claim), { mode: 0o600 });
  return path;
}

function claimNumber(folder: string, number: number, socket: string): Ownership | null {
  const claim: Claim = { pid: process.pid, started: startOf(process.pid), socket, released: false };
  const path = writeBeside(folder, claim);
  try {
    linkSync(path, claimFile(folder, number));
  } catch {
    return null;
  } finally {
    rmSync(path, { force: true });
  }
  for (const name of readdirSync(folder))
    if (Number(CLAIM.exec(name)?.[1] ?? number) < number) rmSync(join(folder, name), { force: true });
  return {
    release: () => renameSync(writeBeside(folder, { ...claim, released: true }), claimFile(folder, number)),
  };
}

/** Becomes the owner of a folder, or answers the socket and the process id of its owner. */
export async function claimFolder(
  folder: string,
  socket: string,
): Promise<Ownership | { readonly socket: string; readonly pid: number }> {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  for (;;) {
    const { number, claim } = lastClaim(folder);
    if (claim !== null && !claim.released && (isRunning(claim) || (await answers(claim.socket))))
      return { socket: claim.socket, pid: claim.pid };
    const ownership = claimNumber(folder, number + 1, socket);
    if (ownership !== null) return ownership;
  }
}
