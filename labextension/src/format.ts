/** Values of a status as words for a person, and the order in which they are shown. */

import { TranslationBundle } from '@jupyterlab/translation';

import {
  Application,
  ErrorStatus,
  ForwardStatus,
  OthersPrompt,
  State,
  TunnelStatus
} from './api';

// Between a number and its unit no line ends.
export const NBSP = '\u00a0';

/** A host as it was typed, and its tunnels. */
export interface HostGroup {
  host: string;
  tunnels: TunnelStatus[];
}

/** Hosts in the order of their first tunnel. */
export function groupByHost(tunnels: readonly TunnelStatus[]): HostGroup[] {
  const groups = new Map<string, TunnelStatus[]>();
  for (const tunnel of tunnels) {
    groups.set(tunnel.host, [...(groups.get(tunnel.host) ?? []), tunnel]);
  }
  return [...groups].map(([host, members]) => ({ host, tunnels: members }));
}

/** The state of a tunnel while the server does not tell. */
export const UNKNOWN = 'unknown';

/** The states of a tunnel that is open, as far as the gateway, and leads to nothing from there. */
export type LegState = 'leg_down' | 'no_application';

/** The state of all legs of a tunnel: its own, or what is wrong behind the gateway. */
export function wholeState({ forwards, state }: TunnelStatus): string {
  const legs = forwards.map(({ far }) => far?.state);
  if (state !== 'open') {
    return state;
  }
  return legs.includes('down')
    ? ('leg_down' satisfies LegState)
    : legs.includes('no_application')
      ? ('no_application' satisfies LegState)
      : state;
}

/** A state as one or two words. */
export function stateLabel(state: string, trans: TranslationBundle): string {
  const labels: Record<State | LegState | typeof UNKNOWN, string> = {
    leg_down: trans.__('Far leg down'),
    no_application: trans.__('No application'),
    unknown: trans.__('Unknown'),
    closed: trans.__('Closed'),
    connecting: trans.__('Connecting…'),
    waiting_for_user: trans.__('Waiting for you'),
    open: trans.__('Open'),
    reconnecting: trans.__('Reconnecting…'),
    closing: trans.__('Closing…'),
    failed: trans.__('Failed')
  };
  return labels[state as State] ?? state;
}

/** What it says of itself: its state, and whose answer it waits for if that is not this login's. */
export function stateOf(
  tunnel: TunnelStatus,
  others: readonly OthersPrompt[],
  trans: TranslationBundle
): string {
  const question = others.find(({ tunnels }) => tunnels.includes(tunnel.id));
  return question
    ? trans.__('Waiting for %1', question.waits_for.join(', '))
    : stateLabel(wholeState(tunnel), trans);
}

/** 999 B, 1.0 kB, 12 MB: two digits are enough to see that something moves. */
export function byteCount(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  const digits = unit > 0 && value < 9.95 ? 1 : 0;
  return `${value.toFixed(digits)}${NBSP}${units[unit]}`;
}

/** Streams, bytes and round trip on one line, summed over `forwards`. */
export function traffic(
  forwards: readonly ForwardStatus[],
  tunnel: TunnelStatus,
  trans: TranslationBundle
): string {
  const sum = (count: (forward: ForwardStatus) => number): number =>
    forwards.reduce((total, forward) => total + count(forward), 0);
  const open = sum(({ streams }) => streams.open);
  const total = sum(({ streams }) => streams.total);
  const parts = [
    trans._n('%2 of %1 stream open', '%2 of %1 streams open', total, open),
    `↓${NBSP}${byteCount(sum(({ bytes }) => bytes.in))}`,
    `↑${NBSP}${byteCount(sum(({ bytes }) => bytes.out))}`
  ];
  if (tunnel.rtt_ms !== null && tunnel.state === 'open') {
    const milliseconds = Math.max(1, Math.round(tunnel.rtt_ms));
    parts.push(trans.__('%1 ms', milliseconds).replace(' ', NBSP));
  }
  return joined(parts);
}

/** Parts of a line; a separator does not begin the next. */
export function joined(parts: readonly string[]): string {
  return parts.join(`${NBSP}· `);
}

/** Why some of `forwards` do not listen, each reason once. */
export function errorsOf(forwards: readonly ForwardStatus[]): ErrorStatus[] {
  const errors = new Map<string, ErrorStatus>();
  for (const { error, error_at } of forwards) {
    if (error && error_at === null && !errors.has(error.code)) {
      errors.set(error.code, error);
    }
  }
  return [...errors.values()];
}

/** What the dialog calls that another port may be taken. */
export function pickLabel(trans: TranslationBundle): string {
  return trans.__('If the local port is taken, use another one');
}

/**
 * What is wrong and what to do about it, for people who click and type no options in a shell.
 *
 * @param tunnel - the one that has the error, if it is there already.
 * @param tick - what lets another port be taken, if the dialog has that.
 */
export function inOurWords(
  { hint, message }: Pick<ErrorStatus, 'hint' | 'message'>,
  trans: TranslationBundle,
  tunnel?: TunnelStatus,
  tick: string | null = pickLabel(trans)
): Pick<ErrorStatus, 'hint' | 'message'> {
  if (!hint.includes('--on-conflict')) {
    return { hint, message };
  }
  if (tunnel?.source === 'config') {
    return {
      hint: trans.__(
        'End what has that port and restart the tunnel; or let it take another one, with %1 in its parts in the configuration of this server.',
        '"on_conflict": "pick"'
      ),
      message
    };
  }
  return {
    hint:
      tick === null
        ? trans.__('Choose another port, or 0 for any free one.')
        : trans.__(
            'Choose another port, or 0 for any free one; or tick “%1” in the dialog.',
            tick
          ),
    message
  };
}

/** Why a stream failed, and when. */
export interface Problem {
  error: ErrorStatus;
  at: string;
}

/**
 * The last stream of `forwards` that failed, as long as none has done better since, if that is not
 * because the far leg is down, which is told by itself.
 */
export function lastProblem(
  forwards: readonly ForwardStatus[]
): Problem | null {
  let last: Problem | null = null;
  for (const { error, error_at: at, far } of forwards) {
    const isTold = error !== null && error.message === far?.error?.message;
    // Moments in one notation sort like texts.
    if (error && !isTold && at !== null && (last === null || at > last.at)) {
      last = { error, at };
    }
  }
  return last;
}

/** A moment (ISO 8601) as a time of day, with its date if that is not today's. */
export function clock(moment: string): string {
  const date = new Date(moment);
  return date.toDateString() === new Date().toDateString()
    ? date.toLocaleTimeString()
    : date.toLocaleString();
}

/** Who asked for a tunnel, where it was not a person just now. */
export function askedBy(
  tunnel: TunnelStatus,
  trans: TranslationBundle
): { label: string; explanation: string } | null {
  switch (tunnel.source) {
    case 'config':
      return {
        label: trans.__('configured'),
        explanation: trans.__('From the configuration of this server')
      };
    case 'saved':
      return {
        label: trans.__('restored'),
        explanation: trans.__('Restored from an earlier session')
      };
    default:
      return null;
  }
}

/** What a pointer's rest on the name tells: route and host key. */
export function details(
  tunnel: TunnelStatus,
  trans: TranslationBundle
): string {
  const lines = [trans.__('Route: %1', tunnel.route.join(' → '))];
  if (tunnel.host_key) {
    lines.push(trans.__('Host key: %1', tunnel.host_key));
  }
  return lines.join('\n');
}

/** Whether this forward listens on a socket of the server's own, and not on an address. */
export function isPrivate(forward: ForwardStatus): boolean {
  return forward.asked === 'private' || forward.asked.startsWith('private/');
}

/** Where it listens, or shall listen. */
export function localAddress(
  forward: ForwardStatus,
  trans: TranslationBundle
): string {
  if (isPrivate(forward)) {
    return trans.__('inside Jupyter');
  }
  if (forward.bound) {
    return forward.bound;
  }
  return /^(.*:)?0$/.test(forward.asked)
    ? trans.__('any free port')
    : forward.asked;
}

/** Where it leads. */
export function destination(
  forward: ForwardStatus,
  trans: TranslationBundle
): string {
  return forward.destination ?? trans.__('anywhere (SOCKS)');
}

/** The application at the far end of a forward, if it may be one and the tunnel may reach it. */
export function applicationOf(
  tunnel: TunnelStatus,
  forward: ForwardStatus,
  applications: readonly Application[]
): Application | undefined {
  if (tunnel.state === 'failed') {
    return undefined;
  }
  return applications.find(
    app => app.tunnel === tunnel.id && app.destination === forward.destination
  );
}

/** "3 SSH tunnels", "3 SSH tunnels, 1 failed", or ''. */
export function summary(
  tunnels: readonly TunnelStatus[],
  trans: TranslationBundle
): string {
  if (tunnels.length === 0) {
    return '';
  }
  const all = trans._n('%1 SSH tunnel', '%1 SSH tunnels', tunnels.length);
  const troubles: [number, (count: number) => string][] = [
    [count(tunnels, 'failed'), n => trans.__('%1 failed', n)],
    [count(tunnels, 'waiting_for_user'), n => trans.__('%1 waiting', n)],
    [count(tunnels, 'reconnecting'), n => trans.__('%1 reconnecting', n)],
    [count(tunnels, 'leg_down'), n => trans.__('%1 with its far leg down', n)],
    [
      count(tunnels, 'no_application'),
      n => trans.__('%1 without its application', n)
    ],
    [count(tunnels, UNKNOWN), n => trans.__('%1 unknown', n)]
  ];
  const parts = troubles.filter(([n]) => n > 0).map(([n, text]) => text(n));
  return [all, ...parts].join(', ');
}

function count(tunnels: readonly TunnelStatus[], state: string): number {
  return tunnels.filter(tunnel => wholeState(tunnel) === state).length;
}

/** The state that says most about a set: what needs a person first. */
export function worstState(tunnels: readonly TunnelStatus[]): State | LegState {
  const order: (State | LegState)[] = [
    'failed',
    'waiting_for_user',
    'reconnecting',
    'leg_down',
    'no_application',
    'connecting',
    'closing',
    'open'
  ];
  return order.find(state => count(tunnels, state) > 0) ?? 'closed';
}
