/** Statuses as the server sends them. */

import { Application, ForwardStatus, TunnelStatus } from '../src/api';

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
