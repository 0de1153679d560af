// A client that keeps trying: `attempts.mjs INTERVAL_MS TIMEOUT_MS HOST[,HOST...] [SOURCE,SOURCE...]`
//   Every INTERVAL_MS it begins a new connection to port 7 of the next host, from the next source of its family, and
//   sends a byte; the byte must be back within TIMEOUT_MS. Attempts do not wait for each other. One JSON line for each that is
//   over: { at, took, host, source, error }, `at` in Unix milliseconds. At the end of standard input it begins no more, and
//   ends with the last.
import { connect, isIPv6 } from 'node:net';

const [interval, timeout] = process.argv.slice(2, 4).map(Number);
const hosts = process.argv[4].split(',');
const sources = (process.argv[5] ?? '').split(',').filter(Boolean);
const sourcesFor = (host) => sources.filter((source) => isIPv6(source) === isIPv6(host));

let begun = 0;
let open = 0;
let isOver = false;

function attempt() {
  const host = hosts[begun % hosts.length];
  const own = sourcesFor(host);
  const source = own[Math.floor(begun / hosts.length) % own.length];
  begun++;
  open++;
  const at = performance.timeOrigin + performance.now();
  const socket = connect({ host, port: 7, noDelay: true, localAddress: source });
  const end = (error) => {
    if (socket.isJudged) return;
    socket.isJudged = true;
    clearTimeout(timer);
    const took = performance.timeOrigin + performance.now() - at;
    console.log(JSON.stringify({ at, took, host, source, error }));
    // No TIME_WAIT: thousands of these come from one address.
    socket.resetAndDestroy();
    open--;
    if (isOver && open === 0) process.exit(0);
  };
  const timer = setTimeout(end, timeout, 'timeout');
  socket.on('error', (error) => end(error.code ?? error.message));
  socket.on('close', () => end('closed'));
  socket.on('connect', () => socket.write('x'));
  socket.on('data', () => end());
}

// By the clock: where the machine is busy a timer that was late is made up for.
const start = performance.now();
const clock = setInterval(
  () => {
    while (begun * interval <= performance.now() - start) attempt();
  },
  Math.min(interval, 10),
);
process.stdin.on('data', () => {});
process.stdin.on('end', () => {
  clearInterval(clock);
  isOver = true;
  if (open === 0) process.exit(0);
});
console.log('begun');
