/** Statuses as the server sends them. */

import {
  Application,
  Diagnosis,
  FarLeg,
  ForwardStatus,
  Host,
  OpenedJupyter,
  Prompt,
  Question,
  Step,
  TunnelStatus
} from '../src/api';

export function forward(change: Partial<ForwardStatus> = {}): ForwardStatus {
  return {
    kind: 'local',
    spec: '-L 5006:localhost:5006',
    asked: '127.0.0.1:5006',
    bound: '127.0.0.1:5006',
    destination: 'localhost:5006',
    streams: { open: 1, total: 4 },
    bytes: { in: 1_234_567, out: 890 },
    error: null,
    error_at: null,
    note: null,
    far: null,
    ...change
  };
}

export function tunnel(change: Partial<TunnelStatus> = {}): TunnelStatus {
  return {
    id: '0123456789ab',
    name: 'gpu01:5006',
    kind: 'forward',
    host: 'me@gpu01',
    route: ['me@gpu01:22'],
    forwards: [forward()],
    state: 'open',
    since: '2026-11-21T03:00:00Z',
    source: 'user',
    host_key: 'SHA256:abc',
    error: null,
    rtt_ms: 12.4,
    connection_file: null,
    next_try: null,
    ends_server: false,
    ...change
  };
}

export function farLeg(change: Partial<FarLeg> = {}): FarLeg {
  return {
    at: '/home/me/.jupyter-remote-tunnel/5006.sock',
    by: 'ann@workstation',
    destination: 'localhost:5007',
    state: 'up',
    since: '2026-11-21T03:00:00Z',
    error: null,
    ...change
  };
}

export function application(change: Partial<Application> = {}): Application {
  return {
    id: '0123456789ab',
    name: 'gpu01:5006',
    host: 'me@gpu01',
    destination: 'localhost:5006',
    tunnel: '0123456789ab',
    state: 'open',
    url: '/remote-tunnel/open/0123456789ab',
    ...change
  };
}

/** A Jupyter server that was opened at a port, or what `change` makes of it. */
export function openedJupyter(
  change: Partial<OpenedJupyter> = {}
): OpenedJupyter {
  return {
    ...application(),
    destination: '127.0.0.1:8888',
    protection: 'token',
    address: 'http://127.43.7.1:9000/',
    ...change
  };
}

/** A question for a password, or the one that `change` makes of it. */
export function prompt(
  change: Partial<Question> = {},
  id = 'aaaaaaaaaaaa'
): Prompt {
  return {
    id,
    hop: 'gw (hop 1 of 2)',
    login: 'ada@gw:22',
    tunnels: ['0123456789ab'],
    expires: '2026-11-21T03:02:00Z',
    question: {
      kind: 'password',
      says: '',
      fields: [{ label: 'Password', echo: false }],
      tries: 1,
      host_key: null,
      path: null,
      ...change
    }
  };
}

/** An alias of the ssh configuration. */
export function alias(name: string, change: Partial<Host> = {}): Host {
  return {
    host: name,
    tunnels: [],
    route: [],
    alias: true,
    host_name: null,
    user: null,
    port: null,
    offers: [],
    ...change
  };
}

export function step(change: Partial<Step> = {}): Step {
  return {
    name: 'connect',
    hop: 'gw (hop 1 of 2)',
    verdict: 'ok',
    says: '10.0.0.1 takes a connection to port 22.',
    details: [],
    advice: '',
    code: '',
    seconds: 0.012,
    ...change
  };
}

/** The answer that tells a diagnosis line by line. */
export function walked(found: Diagnosis): string {
  const none = { step: null, diagnosis: null, error: null };
  return [
    ...found.steps.map(step => ({ ...none, step })),
    { ...none, diagnosis: found }
  ]
    .map(line => `${JSON.stringify(line)}\n`)
    .join('');
}

/** A walk that failed at its second hop. */
export function diagnosis(change: Partial<Diagnosis> = {}): Diagnosis {
  return {
    host: 'gpu01',
    route: ['ann@gw:22', 'ann@gpu01:22'],
    ok: false,
    steps: [
      step({ name: 'configuration', hop: 'gpu01', says: 'gpu01 is there.' }),
      step(),
      step({ verdict: 'note', name: 'login', seconds: 1.2 }),
      step({
        verdict: 'failed',
        name: 'tcp_forward',
        hop: 'gpu01 (hop 2 of 2)',
        says: 'gpu01 does not connect.',
        details: ['It says “open failed”.'],
        advice: 'Ask who runs it.',
        code: 'forward_refused'
      })
    ],
    ...change
  };
}
