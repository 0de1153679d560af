/** Units, scripts and drop-ins that bring a host back at boot. */
import {
  type BootEntry,
  type Init,
  KEEP_DIRECTORY,
  KEEP_PROGRAM,
  type ObservedPersist,
  OWN_LINE,
} from './persist.js';
import type { Sysctl } from './state.js';

const UNITS = '/etc/systemd/system';
/** Before the network: all that needs no interface. */
export const RESTORE_UNIT = 'sidetrack-restore.service';
/** The watcher. */
export const KEEP_UNIT = 'sidetrack-keep.service';
export const NETWORKD_DROP_IN = '/etc/systemd/networkd.conf.d/50-sidetrack.conf';
/** Last of all, and so behind the host's own /etc/sysctl.conf, which Debian reads as 99-sysctl.conf. */
export const SYSCTL_DROP_IN = '/etc/sysctl.d/99-zz-sidetrack.conf';

export const INIT_SCRIPT = '/etc/init.d/sidetrack-keep';
/** Before the firewall (19) and the network (20). */
const INIT_LINK = '/etc/rc.d/S18sidetrack-keep';
const HOTPLUG = '/etc/hotplug.d/iface/90-sidetrack';
const UPGRADE_LIST = '/lib/upgrade/keep.d/sidetrack';
/** Of OpenWrt's firewall, which others edit, too. */
export const FIREWALL_CONFIG = '/etc/config/firewall';
export const FIREWALL_SECTION = 'sidetrack_keep';

const UNIT_PATHS = [RESTORE_UNIT, KEEP_UNIT].map((unit) => `${UNITS}/${unit}`);
const WANTED = {
  [RESTORE_UNIT]: `${UNITS}/sysinit.target.wants/${RESTORE_UNIT}`,
  [KEEP_UNIT]: `${UNITS}/multi-user.target.wants/${KEEP_UNIT}`,
} as const;

/** All paths outside `KEEP_DIRECTORY` that any version of a host's init may have of us. */
export const BOOT_PATHS: readonly string[] = [
  SYSCTL_DROP_IN,
  NETWORKD_DROP_IN,
  ...UNIT_PATHS,
  ...Object.values(WANTED),
  INIT_SCRIPT,
  HOTPLUG,
  UPGRADE_LIST,
  INIT_LINK,
];

const MODE = 0o644;
const PROGRAM_MODE = 0o755;

/**
 * What goes around the files of `KEEP_DIRECTORY`, in the order in which it takes its place: what starts the rest is last.
 * @param sysctls also written down for the host's own program, which sets them as soon as an interface is there
 */
export function bootFiles(
  { init, hasNetworkd }: Pick<ObservedPersist, 'init' | 'hasNetworkd'>,
  sysctls: readonly Sysctl[],
): BootEntry[] {
  const settings =
    sysctls.length === 0 || init === 'other'
      ? []
      : [file(SYSCTL_DROP_IN, sysctls.map((one) => sysctlLine(init, one)).join('\n'))];
  switch (init) {
    case 'systemd':
      return [
        ...settings,
        ...(hasNetworkd ? [file(NETWORKD_DROP_IN, NETWORKD)] : []),
        file(`${UNITS}/${RESTORE_UNIT}`, RESTORE),
        file(`${UNITS}/${KEEP_UNIT}`, KEEP),
        ...[RESTORE_UNIT, KEEP_UNIT].map((unit) => ({
          path: WANTED[unit as keyof typeof WANTED],
          link: `${UNITS}/${unit}`,
        })),
      ];
    case 'procd':
      return [
        ...settings,
        file(HOTPLUG, HOTPLUG_SCRIPT),
        file(UPGRADE_LIST, upgradeList(settings.length > 0)),
        { path: INIT_SCRIPT, content: PROCD, mode: PROGRAM_MODE },
        { path: INIT_LINK, link: `../init.d/${INIT_SCRIPT.split('/').at(-1)}` },
      ];
    default:
      return settings;
  }
}

const file = (path: string, text: string): BootEntry => ({
  path,
  content: `${OWN_LINE}\n${text.trim()}\n`,
  mode: MODE,
});

/**
 * systemd reads a key with slashes as it stands, and passes over one that is not there where a hyphen stands before it.
 * OpenWrt's hotplug looks for `.INTERFACE.`, which no key with a dot in an interface's name can have.
 */
function sysctlLine(init: Init, { key, value }: Sysctl): string {
  if (init === 'systemd') return `-${key} = ${value}`;
  return `${key.includes('.') ? key : key.replaceAll('/', '.')}=${value}`;
}

const RESTORE = `
[Unit]
Description=sidetrack: rules, settings and nft table, before the network
DefaultDependencies=no
RequiresMountsFor=${KEEP_DIRECTORY} /run
# Behind what empties nft's tables or sets sysctls when it starts.
After=systemd-modules-load.service systemd-sysctl.service nftables.service netfilter-persistent.service ufw.service firewalld.service
Wants=network-pre.target
Before=network-pre.target sidetrack-relay.service sidetrack-heartbeat.service shutdown.target
Conflicts=shutdown.target

[Service]
Type=oneshot
RemainAfterExit=yes
# What needs an interface that comes later is left to ${KEEP_UNIT}.
ExecStart=-/bin/sh ${KEEP_PROGRAM} up 1
TimeoutStartSec=60

[Install]
WantedBy=sysinit.target
`;

const KEEP = `
[Unit]
Description=sidetrack: keeps what was applied to this host
After=${RESTORE_UNIT} network.target
StartLimitIntervalSec=0

[Service]
Type=simple
ExecStart=/bin/sh ${KEEP_PROGRAM} watch
ExecReload=/bin/kill -HUP $MAINPID
Restart=always
RestartSec=1
# Another one watches already.
RestartPreventExitStatus=75
NoNewPrivileges=yes
LockPersonality=yes
RestrictRealtime=yes
SystemCallArchitectures=native

[Install]
WantedBy=multi-user.target
`;

/** Else each start and each \`networkctl reconfigure\` of any interface takes our rules and routes away. */
const NETWORKD = `
[Network]
ManageForeignRoutingPolicyRules=no
ManageForeignRoutes=no
`;

const PROCD = `#!/bin/sh /etc/rc.common
${OWN_LINE}
START=18
USE_PROCD=1

program=${KEEP_PROGRAM}

# Before the network is there; what needs an interface is left to the watcher.
boot() {
	sh "$program" up 1
	start "$@"
}

start_service() {
	procd_open_instance
	procd_set_param command /bin/sh "$program" watch
	procd_set_param respawn 3600 1 0
	procd_set_param stderr 1
	procd_close_instance
}

reload_service() {
	procd_send_signal sidetrack-keep
}
`;

const HOTPLUG_SCRIPT = `
case $ACTION in
ifup | ifupdate | ifdown) ${INIT_SCRIPT} reload ;;
esac
`;

/** What a sysupgrade is to carry along; it knows of /etc/config alone. */
function upgradeList(hasSettings: boolean): string {
  const paths = [
    '/etc/sidetrack/',
    INIT_SCRIPT,
    INIT_LINK,
    HOTPLUG,
    ...(hasSettings ? [SYSCTL_DROP_IN] : []),
    UPGRADE_LIST,
  ];
  return paths.join('\n');
}

/** What is added to the end of OpenWrt's configuration of the firewall; a line that stands alone separates it. */
export const FIREWALL_INCLUDE = `
config include '${FIREWALL_SECTION}'
	option type 'script'
	option path '${KEEP_DIRECTORY}/firewall'
	option fw4_compatible '1'
`;

/** Runs behind each start and reload of the firewall, and must not hold it up. */
export const FIREWALL_SCRIPT: BootEntry = {
  path: `${KEEP_DIRECTORY}/firewall`,
  content: `${OWN_LINE}\n${INIT_SCRIPT} reload >/dev/null 2>&1 &\n`,
  mode: 0o700,
};
