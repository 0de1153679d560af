/** What the system says about a file, in words; the code where we have none. */
export function readFailure(error: unknown): string {
  const code = codeOf(error) ?? 'unknown error';
  const words: Record<string, string> = {
    ENOENT: 'no such file',
    EACCES: 'permission denied',
    EISDIR: 'it is a directory',
    EAGAIN: 'nobody has written to this pipe',
    ENOTDIR: 'a part of its path is no directory',
    ELOOP: 'its symbolic links lead in a circle',
    EFBIG: 'it is too long',
    ENAMETOOLONG: 'its name is too long',
    ENOSPC: 'the disk is full',
    EDQUOT: 'the quota is used up',
    EROFS: 'the file system is read-only',
  };
  return words[code] ?? code;
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string'
    ? error.code
    : undefined;
}
