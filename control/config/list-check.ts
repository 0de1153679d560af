/** What keys of a set fit together. */
import type { Problem } from './diagnostic.js';
import { asMap, type Path, type RawMap, valueAt } from './raw.js';

type Found = { path: Path; problem: Problem };

/** Keys that say how a list is fetched. */
const OF_URLS = [
  ...['refresh', 'sha256', 'sha256_url', 'signature', 'redirects'],
  ...['ca_file', 'max_size_mib', 'timeout_seconds', 'shrink_limit'],
] as const;

export function listProblems(root: unknown): Found[] {
  return Object.entries(asMap(valueAt(root, ['sets']))).flatMap(([name, set]) =>
    problemsOf(['sets', name], asMap(set)),
  );
}

function problemsOf(path: Path, set: RawMap): Found[] {
  const { file, url } = set;
  if (file !== undefined && url !== undefined)
    return [
      {
        path: [...path, 'url'],
        problem: { message: 'a set has a file or a url', hint: 'keep one of them' },
      },
    ];
  if (file === undefined && url === undefined)
    return [
      {
        path,
        problem: {
          message: 'a set needs its list',
          hint: 'write file: FILE, or url: https://HOST/PATH',
        },
      },
    ];
  const idle = url === undefined ? OF_URLS.filter((key) => set[key] !== undefined) : [];
  return [
    ...idle.map((key) => ({
      path: [...path, key],
      problem: { message: `"${key}" is for lists with a url`, hint: `leave out ${key}` },
    })),
    ...(set.sha256 !== undefined && set.sha256_url !== undefined
      ? [
          {
            path: [...path, 'sha256_url'],
            problem: { message: 'sha256 and sha256_url say the same', hint: 'keep one of them' },
          },
        ]
      : []),
  ];
}

/** Lists that anybody on the way may change. */
export function listWarnings(root: unknown): Found[] {
  return Object.entries(asMap(valueAt(root, ['sets']))).flatMap(([name, value]) => {
    const { url, sha256, signature } = asMap(value);
    if (typeof url !== 'string' || !/^http:/i.test(url)) return [];
    if (sha256 !== undefined || signature !== undefined) return [];
    return [
      {
        path: ['sets', name, 'url'],
        problem: {
          message: 'the list comes without encryption: who is on the way decides what is in it',
          hint: 'write https, or give it a sha256 or a signature',
        },
      },
    ];
  });
}
