/**
 * Elements out of data. What came from the network becomes text and nothing else: there is no way from here
 * to innerHTML, and attributes get our own words.
 */

export interface Attributes {
  class?: string;
  id?: string;
  /** Every other attribute by its name; `undefined` and `false` leave it out. */
  [attribute: string]: string | number | boolean | undefined;
}

type Child = Node | string | undefined;

export function el<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  attributes: Attributes = {},
  ...children: Child[]
): HTMLElementTagNameMap[Tag] {
  const element = document.createElement(tag);
  setAttributes(element, attributes);
  element.append(...children.filter((child) => child !== undefined));
  return element;
}

const SVG = 'http://www.w3.org/2000/svg';

export function svg<Tag extends keyof SVGElementTagNameMap>(
  tag: Tag,
  attributes: Attributes = {},
  ...children: SVGElement[]
): SVGElementTagNameMap[Tag] {
  const element = document.createElementNS(SVG, tag);
  setAttributes(element, attributes);
  element.append(...children);
  return element;
}

function setAttributes(element: Element, attributes: Attributes): void {
  for (const [name, value] of Object.entries(attributes))
    if (value !== undefined && value !== false)
      element.setAttribute(name, value === true ? '' : String(value));
}

/** Touches the page only where something is new. */
export function setText(node: Node, text: string): void {
  if (node.textContent !== text) node.textContent = text;
}

export function setAttribute(element: Element, name: string, value: string | undefined): void {
  if (value === undefined) element.removeAttribute(name);
  else if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

/** The element of the document that must be there. */
export function byId<T extends HTMLElement>(id: string, type: new () => T): T {
  const found = document.getElementById(id);
  if (!(found instanceof type)) throw new Error(`the page has no #${id}`);
  return found;
}

export interface Row {
  element: HTMLElement;
}

/** Keeps one row for each item, in their order; a row lives as long as its key is there, and focus with it. */
export class Rows<Item, R extends Row> {
  #rows = new Map<string, R>();

  constructor(
    private readonly parent: HTMLElement,
    private readonly keyOf: (item: Item) => string,
    private readonly create: (item: Item) => R,
    private readonly update: (row: R, item: Item) => void,
    /** Rows of items that have gone serve those that have come: another page of a list costs no elements. */
    private readonly recycles = false,
  ) {}

  show(items: readonly Item[]): void {
    const focused = document.activeElement;
    this.#place(items);
    // A row that changes its place loses the focus on the way.
    if (focused instanceof HTMLElement && focused !== document.activeElement && focused.isConnected)
      focused.focus({ preventScroll: true });
  }

  #place(items: readonly Item[]): void {
    const before = this.#rows;
    const now = new Map<string, R>();
    const spare = this.recycles ? this.#spareRows(items) : [];
    let place: Element | null = this.parent.firstElementChild;
    for (const item of items) {
      const key = this.keyOf(item);
      if (now.has(key)) continue;
      const row = before.get(key) ?? spare.pop() ?? this.create(item);
      this.update(row, item);
      now.set(key, row);
      if (row.element === place) place = place.nextElementSibling;
      else this.parent.insertBefore(row.element, place);
    }
    const kept = new Set(now.values());
    for (const row of before.values()) if (!kept.has(row)) row.element.remove();
    this.#rows = now;
  }

  /** The first of them last, so that they are taken in their order. */
  #spareRows(items: readonly Item[]): R[] {
    const wanted = new Set(items.map(this.keyOf));
    return [...this.#rows].flatMap(([key, row]) => (wanted.has(key) ? [] : [row])).reverse();
  }

  get size(): number {
    return this.#rows.size;
  }
}

/** Copies; a page that did not come by HTTPS or from this machine may not use the clipboard, so it selects. */
export async function copy(text: string, source: HTMLElement): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const range = document.createRange();
    range.selectNodeContents(source);
    const selection = getSelection();
    selection?.removeAllRanges();
    selection?.addRange(range);
    return false;
  }
}
