/** The YAML file as text, as values, and as a map from values back to positions in the text. */
import {
  type Document,
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  type Node,
  type Pair,
  parseDocument,
} from 'yaml';
import type { Position } from './diagnostic.js';
import type { Path } from './raw.js';

/** References times what they refer to, as the YAML library counts; its own limit is 100. */
const ALIASES_MOST = 10_000;

function keyText(pair: Pair): string {
  return String(isScalar(pair.key) ? pair.key.value : pair.key);
}

/** A key that is there twice (an error told elsewhere) has its last value, so `findLast` below. */
export class Source {
  readonly file: string;
  readonly text: string;
  readonly document: Document.Parsed;

  constructor(file: string, text: string) {
    this.file = file;
    this.text = text;
    // The core schema of YAML 1.2, even if a %YAML line says otherwise: 1.1 reads MACs and times as numbers.
    this.document = parseDocument(text, {
      prettyErrors: false,
      schema: 'core',
      version: '1.2',
      logLevel: 'error',
    });
  }

  /**
   * Position of a character, by its offset in the text. Counted here, for the parser's own line
   * counter misses the line breaks inside some broken documents.
   */
  positionAt(offset: number): Position {
    const lines = this.text.slice(0, offset).split('\n');
    return { file: this.file, line: lines.length, column: lines.at(-1)!.length + 1 };
  }

  /** @throws ReferenceError when aliases would grow beyond measure. */
  values(): unknown {
    return this.document.toJS({ maxAliasCount: ALIASES_MOST });
  }

  /** Position of a value; of what encloses it where the value itself is not in the file. */
  positionOf(path: Path): Position {
    for (let length = path.length; length > 0; length--) {
      const range = this.#nodeAt(path.slice(0, length))?.range;
      if (range) return this.positionAt(range[0]);
    }
    return this.positionAt(this.document.contents?.range?.[0] ?? 0);
  }

  /** Position of the key of a value. */
  positionOfKey(path: Path): Position {
    const map = this.#nodeAt(path.slice(0, -1));
    const items = isMap(map) ? map.items : [];
    const pair =
      items.findLast((item) => keyText(item) === String(path.at(-1))) ??
      // The value of such a key is written in another way than the key.
      items.find(({ key }) => !isScalar(key));
    const range = isNode(pair?.key) ? pair.key.range : undefined;
    return range ? this.positionAt(range[0]) : this.positionOf(path);
  }

  /** A scalar as it stands in the file, where it differs from its value (`1e3`, `0x10`). */
  writtenAt(path: Path): string | undefined {
    const node = this.#nodeAt(path);
    return isScalar(node) ? node.source : undefined;
  }

  #resolve(node: unknown): Node | undefined {
    if (isAlias(node)) return node.resolve(this.document);
    return isScalar(node) || isMap(node) || isSeq(node) ? node : undefined;
  }

  #nodeAt(path: Path): Node | undefined {
    let node = this.#resolve(this.document.contents);
    for (const step of path) {
      if (isMap(node)) {
        node = this.#resolve(node.items.findLast((item) => keyText(item) === String(step))?.value);
      } else if (isSeq(node) && typeof step === 'number') {
        node = this.#resolve(node.items[step]);
      } else {
        return undefined;
      }
    }
    return node;
  }
}
