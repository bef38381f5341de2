import { readFile } from 'node:fs/promises';

/** The bytes of a file that was named on the command line; the error of the system always names it too. */
export async function readInput(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    // Reading a folder fails after it was opened, and the error forgets its name.
    if (error instanceof Error && 'syscall' in error) Object.assign(error, { path });
    throw error;
  }
}
