/**
 * A tiny program that knocks: small requests over one connection while bulk runs beside it, or one connection after the
 * other. iperf3 can do neither. It is written thrice, for what machines have; a far one needs nothing installed of ours.
 */
import { z } from 'zod';

export const INTERPRETERS = ['node', 'python3', 'perl'] as const;
export type Interpreter = (typeof INTERPRETERS)[number];

/** What answers, and what knocks. Times in whole seconds. */
export type ProberTask =
  | { kind: 'echo'; port: number }
  /** 64 bytes there and back, the next not before `periodMs` has passed. */
  | { kind: 'latency'; address: string; port: number; seconds: number; periodMs: number }
  /** Connect, 64 bytes there and back, close; so many at a time, at most `most` in all. */
  | {
      kind: 'connect';
      address: string;
      port: number;
      seconds: number;
      workers: number;
      most: number;
    };

/** Words of the task, in the order in which the programs take them. */
function words(task: ProberTask): string[] {
  if (task.kind === 'echo') return ['echo', `${task.port}`];
  const { kind, address, port, seconds } = task;
  const rest = kind === 'latency' ? [task.periodMs] : [task.workers, task.most];
  return [kind, address, `${port}`, `${seconds}`, ...rest.map(String)];
}

/** @param program where the interpreter is, when that is known better than by its name */
export function proberArgv(
  interpreter: Interpreter,
  task: ProberTask,
  program: string = interpreter,
): string[] {
  switch (interpreter) {
    case 'node':
      return [program, '-e', NODE, '--', ...words(task)];
    case 'python3':
      return [program, '-c', PYTHON, ...words(task)];
    case 'perl':
      return [program, '-e', PERL, ...words(task)];
  }
}

/** Prints the names of those that can do it here, one a line. */
export const INTERPRETER_SCRIPT = `
for name in node python3; do command -v $name >/dev/null 2>&1 && $name --version >/dev/null 2>&1 && echo $name; done
perl -MTime::HiRes -MIO::Socket::IP -e 'print "perl\\n"' 2>/dev/null
:`;

const report = z.object({
  /** Microseconds of the exchanges, or of the connections; a sample of at most 5000. */
  times: z.array(z.number().nonnegative()),
  count: z.int().nonnegative(),
  failed: z.int().nonnegative(),
  /** In which they were made. */
  seconds: z.number().positive(),
});
export type ProbeReport = z.output<typeof report>;

/** Undefined where it said something else. */
export function readProbe(stdout: string): ProbeReport | undefined {
  try {
    return report.safeParse(JSON.parse(stdout)).data;
  } catch {
    return undefined;
  }
}

// One that connects too often, or does not read what comes back, is closed: it is none of ours.
const NODE = `
const net = require('node:net');
const [kind, ...rest] = process.argv.slice(1);
const [address, port, seconds, third, most] = rest;
const now = () => Number(process.hrtime.bigint()) / 1e3;
const begin = now(), end = begin + seconds * 1e6, times = [], message = Buffer.alloc(64, 120);
let begun = 0, count = 0, failed = 0;
if (kind === 'echo') {
  const server = net.createServer({ noDelay: true }, (socket) => {
    socket.on('error', () => socket.destroy());
    socket.on('data', (data) => { if (!socket.write(data)) socket.destroy(); });
  });
  server.maxConnections = 256;
  const fail = (error) => { console.error(error.message); process.exit(1); };
  server.once('error', (error) => {
    if (error.code !== 'EAFNOSUPPORT') fail(error);
    server.once('error', fail).listen(Number(rest[0]), '0.0.0.0');
  });
  server.listen({ port: Number(rest[0]), host: '::', backlog: 512 });
} else {
  const connect = () => new Promise((resolve, reject) => {
    const socket = net.connect({ port: Number(port), host: address, noDelay: true }, () => resolve(socket));
    socket.once('error', reject);
    socket.setTimeout(Math.max(1000, (end - now()) / 1e3 + 1000), () => socket.destroy(new Error('timeout')));
  });
  const exchange = (socket) => new Promise((resolve, reject) => {
    let got = 0;
    const done = (error) => { socket.off('data', data).off('error', done).off('close', closed); error ? reject(error) : resolve(); };
    const data = (part) => { got += part.length; if (got >= 64) done(); };
    const closed = () => done(new Error('closed'));
    socket.on('data', data).on('error', done).on('close', closed).write(message);
  });
  const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
  const latency = async () => {
    const socket = await connect();
    while (now() < end) {
      const at = now();
      await exchange(socket);
      times.push(Math.round(now() - at));
      count++;
      const left = third - (now() - at) / 1e3;
      if (left > 0) await sleep(left);
    }
    socket.destroy();
  };
  const worker = async () => {
    while (now() < end && begun++ < most) {
      const at = now();
      try {
        const socket = await connect();
        await exchange(socket);
        socket.on('error', () => {}).destroy();
        times.push(Math.round(now() - at));
        count++;
      } catch { failed++; await sleep(20); }
    }
  };
  const work = kind === 'latency' ? [latency().catch(() => { failed++; })] : Array.from({ length: third }, worker);
  Promise.all(work).then(() => {
    const took = (now() - begin) / 1e6;
    process.stdout.write(JSON.stringify({ times: times.slice(0, 5000), count, failed, seconds: took }) + '\\n', () => process.exit(0));
  });
}
`;

const PYTHON = `
import sys, socket, time, json, os, selectors
kind, rest = sys.argv[1], sys.argv[2:]
message = b'x' * 64
def exchange(s):
    s.sendall(message)
    got = 0
    while got < 64:
        part = s.recv(4096)
        if not part: raise OSError('closed')
        got += len(part)
if kind == 'echo':
    try:
        server = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
        server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        place = '::'
    except OSError:
        server, place = socket.socket(), '0.0.0.0'
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind((place, int(rest[0])))
    server.listen(512)
    server.setblocking(False)
    poll = selectors.DefaultSelector()
    poll.register(server, selectors.EVENT_READ)
    def drop(s):
        poll.unregister(s)
        s.close()
    while True:
        for key, _ in poll.select():
            s = key.fileobj
            if s is server:
                try: new, _ = server.accept()
                except OSError:
                    time.sleep(0.01)
                    continue
                if len(poll.get_map()) > 256:
                    new.close()
                    continue
                new.setblocking(False)
                new.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                poll.register(new, selectors.EVENT_READ)
                continue
            try:
                data = s.recv(4096)
                if not data or s.send(data) < len(data): drop(s)
            except OSError: drop(s)
address, port, seconds, third = rest[0], int(rest[1]), float(rest[2]), int(rest[3])
now = time.monotonic
begin = now()
end = begin + seconds
def connect():
    s = socket.create_connection((address, port), max(1, end - now() + 1))
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return s
def latency():
    times, failed = [], 0
    try:
        s = connect()
        while now() < end:
            at = now()
            exchange(s)
            took = now() - at
            times.append(round(took * 1e6))
            if took * 1e3 < third: time.sleep(third / 1e3 - took)
    except OSError: failed = 1
    return times, failed
def worker(most):
    times, failed = [], 0
    while now() < end and len(times) + failed < most:
        at = now()
        try:
            s = connect()
            exchange(s)
            s.close()
            times.append(round((now() - at) * 1e6))
        except OSError:
            failed += 1
            time.sleep(0.02)
    return times, failed
if kind == 'latency': parts = [latency()]
else:
    pipes = []
    for _ in range(third):
        r, w = os.pipe()
        if os.fork() == 0:
            os.close(r)
            with os.fdopen(w, 'w') as out: json.dump(worker(int(rest[4]) // third), out)
            os._exit(0)
        os.close(w)
        pipes.append(r)
    parts = [json.load(os.fdopen(r)) for r in pipes]
times = [one for part, _ in parts for one in part]
print(json.dumps({'times': times[:5000], 'count': len(times), 'failed': sum(f for _, f in parts), 'seconds': now() - begin}))
`;

const PERL = `
use IO::Socket::IP; use IO::Select; use Socket qw(IPPROTO_TCP TCP_NODELAY); use Time::HiRes qw(time sleep);
my ($kind, @rest) = @ARGV;
$SIG{PIPE} = 'IGNORE';
my $message = 'x' x 64;
sub quick { setsockopt($_[0], IPPROTO_TCP, TCP_NODELAY, 1) }
sub exchange {
  my $s = shift;
  syswrite($s, $message) or die 'closed';
  my $got = 0;
  while ($got < 64) { my $n = sysread($s, my $part, 4096) or die 'closed'; $got += $n }
}
if ($kind eq 'echo') {
  my @how = (LocalPort => $rest[0], Listen => 512, ReuseAddr => 1);
  my $server = IO::Socket::IP->new(LocalHost => '::', V6Only => 0, @how) || IO::Socket::IP->new(LocalHost => '0.0.0.0', @how) or die "$@\\n";
  my $all = IO::Select->new($server);
  while (1) {
    for my $s ($all->can_read) {
      if ($s == $server) {
        my $new = $server->accept or do { sleep 0.01; next };
        if ($all->count > 256) { close $new; next }
        $new->blocking(0); quick($new); $all->add($new); next;
      }
      my $n = sysread($s, my $data, 4096);
      my $sent = $n ? syswrite($s, $data) : 0;
      if (!$n || !defined $sent || $sent < $n) { $all->remove($s); close $s }
    }
  }
}
my ($address, $port, $seconds, $third, $most) = @rest;
my $begin = time; my $end = $begin + $seconds;
$SIG{ALRM} = sub { die 'timeout' };
sub dial {
  my $s = IO::Socket::IP->new(PeerHost => $address, PeerPort => $port, Timeout => 5) or die 'no connection';
  quick($s); $s
}
sub latency {
  my @times; my $failed = 0;
  eval {
    alarm($seconds + 2);
    my $s = dial();
    while (time < $end) {
      my $at = time; exchange($s); my $took = time - $at;
      push @times, int($took * 1e6);
      sleep($third / 1e3 - $took) if $took * 1e3 < $third;
    }
    1;
  } or $failed = 1;
  alarm(0);
  return ($failed, @times);
}
sub worker {
  my ($most) = @_; my @times; my $failed = 0;
  while (time < $end && @times + $failed < $most) {
    my $at = time;
    eval { alarm($seconds + 2); my $s = dial(); exchange($s); close $s; push @times, int((time - $at) * 1e6); 1 } or do { $failed++; sleep 0.02 };
    alarm(0);
  }
  return ($failed, @times);
}
my ($failed, @times) = (0);
if ($kind eq 'latency') { ($failed, @times) = latency() }
else {
  my @pipes;
  for (1 .. $third) {
    pipe(my $r, my $w);
    if (!fork) { close $r; print $w join(' ', worker(int($most / $third))); close $w; exit }
    close $w; push @pipes, $r;
  }
  for my $r (@pipes) { my ($f, @part) = split ' ', join('', <$r>); $failed += $f; push @times, @part }
}
my $count = @times; $#times = 4999 if $count > 5000;
printf qq({"times":[%s],"count":%d,"failed":%d,"seconds":%f}\\n), join(',', @times), $count, $failed, time - $begin;
`;
