/** What a host undoes by itself, where nothing of ours is there to divide what nft says is too long. */
import { type Command, programOf } from '../command/command.js';
import { shellWords } from '../command/shell.js';
import { isSlotsChain } from '../nft/choose.js';
import { MOST_ELEMENTS } from '../nft/divide.js';
import { NFT_RUN, type Command as NftCommand } from '../nft/json.js';
import { isNft, transactionOf } from './nft-step.js';

/**
 * Its input has on each line what fits into one message. At once if the kernel takes it so; else line after line, and
 * for that moment no rule is there.
 */
const AT_ONCE_OR_NOT = `
all=$(cat)
message() { printf '{"nftables":['; printf '%s\\n' "$all" | sed "$1"; printf ']}\\n'; }
said=$(message '$!s/$/,/' | ${shellWords(NFT_RUN)} 2>&1) && exit
case $said in
  *"Message too long"*) ;;
  *) printf '%s\\n' "$said" >&2; exit 1 ;;
esac
line=0
while [ $line -lt "$1" ]; do
  line=$((line + 1))
  message "\${line}!d" | ${shellWords(NFT_RUN)} || exit
done`;

/** The same command, unless it has so many elements that a host may refuse it. */
export function undoThere(command: Command): Command {
  if (!isNft(command)) return command;
  const lines = linesOf(transactionOf(command).nftables);
  if (lines.length === 1) return command;
  return {
    argv: ['sh', '-c', AT_ONCE_OR_NOT, 'sh', String(lines.length)],
    stdin: `${lines.join('\n')}\n`,
    program: programOf(command),
  };
}

function linesOf(commands: readonly NftCommand[]): string[] {
  const lines: string[][] = [[]];
  for (const one of commands) {
    const parts = elementsIn(one);
    if (parts === undefined) lines.at(-1)!.push(JSON.stringify(one));
    else lines.push(...parts.map((part) => [JSON.stringify(part)]), []);
  }
  return lines.filter((line) => line.length > 0).map((line) => line.join(','));
}

/** What is long by itself; undefined where it is not. */
function elementsIn(command: NftCommand): NftCommand[] | undefined {
  const { add } = command;
  if (isSlotsChain((add?.rule as { chain: string } | undefined)?.chain ?? '')) return [command];
  const element = add?.element as { elem: unknown[] } | undefined;
  if (element === undefined || element.elem.length <= MOST_ELEMENTS) return undefined;
  const count = Math.ceil(element.elem.length / MOST_ELEMENTS);
  return Array.from({ length: count }, (_, i) => {
    const elem = element.elem.slice(i * MOST_ELEMENTS, (i + 1) * MOST_ELEMENTS);
    return { add: { element: { ...element, elem } } };
  });
}
