/** Server-sent events out of the text of an answer, piece by piece (HTML standard, 9.2). Pure. */

export interface ServerEvent {
  /** `message` when it says none. */
  name: string;
  data: string;
}

/** More than the largest state; what does not end is no event. */
const EVENT_MOST = 16 << 20;

/** @returns takes the next piece, and returns the events that it completes. @throws when one is endless. */
export function eventReader(most = EVENT_MOST): (piece: string) => ServerEvent[] {
  let rest = '';
  let name = '';
  let data: string[] = [];
  let length = 0;
  const take = (line: string): ServerEvent[] => {
    if (line === '') return finish();
    const [, field = '', value = ''] = /^([^:]*):? ?(.*)$/s.exec(line) ?? [];
    if (field === 'event') name = value;
    if (field === 'data') {
      data.push(value);
      length += value.length;
    }
    return [];
  };
  const finish = (): ServerEvent[] => {
    const event = { name: name || 'message', data: data.join('\n') };
    const isEvent = data.length > 0;
    [name, data, length] = ['', [], 0];
    return isEvent ? [event] : [];
  };
  return (piece) => {
    rest += piece;
    const found: ServerEvent[] = [];
    // A \r at the end may be half of a line's end.
    for (;;) {
      const end = /\r\n|\n|\r(?!$)/.exec(rest);
      if (end === null) break;
      const line = rest.slice(0, end.index);
      rest = rest.slice(end.index + end[0].length);
      found.push(...take(line));
    }
    if (rest.length + length > most) throw new Error('an event without an end');
    return found;
  };
}
