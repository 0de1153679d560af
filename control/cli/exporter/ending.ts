/** Signals of a program that only reads: any of them ends it, SIGHUP excepted, which asks it to look at its files anew. */

export interface Ending {
  /** Resolves after the time, or at a signal to end. @returns whether to go on */
  after(ms: number): Promise<boolean>;
  /** Resolves at a signal to end. */
  ended(): Promise<void>;
}

const ENDING = ['SIGINT', 'SIGTERM'] as const;

export function ending(onHangUp: () => void = () => {}): Ending {
  const ended = new Promise<void>((resolve) => {
    for (const signal of ENDING) process.once(signal, () => resolve());
  });
  process.on('SIGHUP', onHangUp);
  const after = async (ms: number): Promise<boolean> => {
    let timer: NodeJS.Timeout | undefined;
    const passed = new Promise<true>((resolve) => {
      timer = setTimeout(() => resolve(true), ms);
    });
    const goesOn = await Promise.race([passed, ended.then(() => false)]);
    clearTimeout(timer);
    return goesOn;
  };
  return { after, ended: () => ended };
}
