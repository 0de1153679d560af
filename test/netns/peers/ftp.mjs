// Active FTP (RFC 959), as much of it as a test needs.
//   serve          port 21: connects to where PORT says and sends the file there; 425 when it cannot
//   fetch HOST     asks HOST for the file over a data connection to this machine; prints what came
import { once } from 'node:events';
import { connect, createServer } from 'node:net';

const [, , mode, host] = process.argv;
const FILE = 'what the server sent';

/** From the address that the client talks to, which is what a connection helper waits for. */
function openData(command, localAddress) {
  const numbers = command.slice('PORT '.length).split(',').map(Number);
  const port = numbers[4] * 256 + numbers[5];
  return connect({ host: numbers.slice(0, 4).join('.'), port, localAddress });
}

function serve() {
  createServer((control) => {
    control.on('error', () => {});
    control.on('data', (line) => {
      if (!line.toString().startsWith('PORT')) return control.write('331 Go on\r\n');
      const data = openData(line.toString().trim(), control.localAddress);
      data.setTimeout(1000, () => data.destroy(new Error('no answer')));
      data.on('connect', () => data.end(FILE, () => control.write('226 Done\r\n')));
      data.on('error', () => control.write('425 No data connection\r\n'));
    });
    control.write('220 Ready\r\n');
  }).listen(21, '0.0.0.0', () => console.log('listening'));
}

async function fetch() {
  const control = connect({ host, port: 21 });
  await once(control, 'data');
  // Helpers look for PORT at the beginning of a line, and so behind another one.
  control.write('USER test\r\n');
  await once(control, 'data');
  const listener = createServer();
  listener.listen(0, '0.0.0.0');
  await once(listener, 'listening');
  const { port } = listener.address();
  const received = new Promise((resolve) => {
    listener.on('connection', (data) => data.on('data', (bytes) => resolve(bytes.toString())));
  });
  const reply = once(control, 'data').then(([line]) => line.toString().trim());
  const own = control.localAddress.split('.').join(',');
  control.write(`PORT ${own},${port >> 8},${port & 255}\r\n`);
  const answer = (await reply).startsWith('226') ? await received : await reply;
  console.log(JSON.stringify({ answer }));
  process.exit(0);
}

await { serve, fetch }[mode]();
