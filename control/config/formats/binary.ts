/** Files that are no text: what they are, and what to take in their place. */
import type { Problem } from '../diagnostic.js';

interface Kind {
  /** In hexadecimal, at the beginning. */
  magic: string;
  problem: Problem;
}

const TEXT_OF_IT = 'take the same list as text';

const KINDS: readonly Kind[] = [
  {
    magic: 'fffe',
    problem: {
      message: 'the file is UTF-16, not UTF-8',
      hint: 'convert it: iconv -f UTF-16 -t UTF-8',
    },
  },
  {
    magic: 'feff',
    problem: {
      message: 'the file is UTF-16, not UTF-8',
      hint: 'convert it: iconv -f UTF-16 -t UTF-8',
    },
  },
  {
    magic: '535253',
    problem: {
      message: 'the file is a binary rule-set of sing-box (.srs)',
      hint: `${TEXT_OF_IT}: its source in JSON, or sing-box rule-set decompile`,
    },
  },
  {
    magic: '28b52ffd',
    problem: {
      message: 'the file is a binary rule provider of mihomo (.mrs), or packed with zstd',
      hint: `${TEXT_OF_IT}: the .yaml or .list beside it, or unpack it with zstd -d`,
    },
  },
  {
    magic: '504b0304',
    problem: {
      message: 'the file is a ZIP archive',
      hint: 'unpack it, and name the table in it: file: GeoLite2-Country-Blocks-IPv4.csv',
    },
  },
  {
    magic: 'fd377a585a00',
    problem: { message: 'the file is packed with xz', hint: 'unpack it with xz -d' },
  },
  {
    magic: '425a68',
    problem: { message: 'the file is packed with bzip2', hint: 'unpack it with bzip2 -d' },
  },
];

const MAXMIND = Buffer.from('abcdef4d61784d696e642e636f6d', 'hex');
/** Its mark stands within so many bytes of the end. */
const MAXMIND_METADATA = 128 * 1024;
const LONGEST_MAGIC = 6;

/** @returns undefined where the bytes may be text */
export function binaryProblem(bytes: Buffer): Problem | undefined {
  const start = bytes.subarray(0, LONGEST_MAGIC).toString('hex');
  const kind = KINDS.find(({ magic }) => start.startsWith(magic));
  if (kind !== undefined) return kind.problem;
  if (!bytes.includes(0)) return undefined;
  if (bytes.subarray(-MAXMIND_METADATA).includes(MAXMIND))
    return {
      message: 'the file is a binary data base of MaxMind (.mmdb)',
      hint: 'take the same data base as CSV',
    };
  return { message: 'the file is binary, not a list' };
}
