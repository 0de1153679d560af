/** The packages on bare Debian systems: no compiler, no registry. `test/tools/deps.sh roots` makes the systems. */
import { existsSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { runProcess } from '../../control/hosts/process.js';

const build = (name: string) => fileURLToPath(new URL(`../../build/${name}`, import.meta.url));
const SUITES = ['bookworm', 'trixie'].filter((suite) => existsSync(build(`roots/${suite}`)));
const packages = existsSync(build('package')) ? readdirSync(build('package')) : [];
const find = (ending: string) => packages.find((name) => name.endsWith(ending)) ?? '';
const NPM = join(dirname(process.execPath), '../lib/node_modules/npm');

/** $1: the system, $2: the packages, $3: node, $4: npm. The system itself stays as it is. */
const ENTER = `set -e
mount --make-rprivate /
mount -t tmpfs tmpfs /mnt
mkdir /mnt/upper /mnt/work /mnt/root
mount -t overlay -o "lowerdir=$1,upperdir=/mnt/upper,workdir=/mnt/work" overlay /mnt/root
cd /mnt/root
mkdir -p packages usr/lib/node_modules/npm
cp "$2"/* packages/
touch usr/bin/node
mount --bind "$3" usr/bin/node
[ ! -d "$4" ] || mount --bind "$4" usr/lib/node_modules/npm
mount -t proc proc proc
shift 4
exec chroot . env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C sh -e "$@"`;

/** In place of Debian's, which is not there without a network: what dpkg knows of it. */
const NODEJS = `printf '\\nPackage: nodejs\\nStatus: install ok installed\\nArchitecture: all\\nMaintainer: a <a@b.c>\\nVersion: 20.0.0\\nDescription: a\\n' >>/var/lib/dpkg/status`;

/** The engine is loaded, and its threads accept; systemd would hear the same. */
const RELAY = `cat >/tmp/sidetrack.yaml <<EOF
router: { host: local, interfaces: [eth0] }
servers: [{ host: local, interface: eth0, address: 192.168.1.2 }]
EOF
sidetrack relay -c /tmp/sidetrack.yaml >/dev/null 2>/tmp/said &
until grep -q 'relay on port 12345' /tmp/said; do kill -0 $! || { cat /tmp/said; exit 1; }; sleep 0.1; done
grep -q ':3039 .* 0A ' /proc/net/tcp
kill $! && wait $!
echo relayed`;

const isRoot = process.getuid!() === 0;
const complete = isRoot && SUITES.length > 0 && find('.deb') !== '';

describe.skipIf(!complete)('on a bare system', { tags: 'long' }, () => {
  async function inside(suite: string, script: string) {
    const unshare = ['unshare', '--mount', '--pid', '--fork', '--kill-child', '--net'];
    const paths = [build(`roots/${suite}`), build('package'), process.execPath, NPM];
    const argv = [...unshare, 'sh', '-c', ENTER, 'sh', ...paths, '-c', script];
    const { status, stdout, stderr } = await runProcess(argv, { timeoutMs: 110_000 });
    return { status, said: stdout + stderr };
  }

  it.each(SUITES)('the .deb runs on %s, and goes without a trace', async (suite) => {
    const script = `! command -v gcc cc make clang
      ${NODEJS}
      dpkg --install /packages/${find('.deb')}
      sidetrack --version
      ldd /usr/lib/sidetrack/build/proxy/engine/*.so | grep -v 'not found'
      dpkg --verify sidetrack
      ${RELAY}
      dpkg --purge sidetrack
      echo "left: $(find / -xdev -name '*sidetrack*' ! -path '/packages/*' ! -path '/tmp/*' ! -path '/run/*')"`;
    const { status, said } = await inside(suite, script);
    expect(said).toMatch(/^relayed$/m);
    expect(said).toMatch(/^left: $/m);
    expect(status).toBe(0);
  });

  it.each(SUITES)('the .deb says on %s what it lacks', async (suite) => {
    const { status, said } = await inside(suite, `dpkg --install /packages/${find('.deb')}`);
    expect(status).not.toBe(0);
    expect(said).toMatch(/sidetrack depends on nodejs \(>= 20\)/);
  });

  it.skipIf(!existsSync(NPM)).each(SUITES)(
    'the tarball runs on %s, without a registry',
    async (suite) => {
      const script = `npm() { node /usr/lib/node_modules/npm/bin/npm-cli.js "$@"; }
      npm install --global --prefix /usr/local --offline --no-audit --no-fund /packages/${find('.tgz')}
      sidetrack --version
      ${RELAY}`.replaceAll('\n      ', '\n');
      const { status, said } = await inside(suite, `PATH=/usr/local/bin:$PATH\n${script}`);
      expect(said).toMatch(/relayed/);
      expect(status).toBe(0);
    },
  );
});
