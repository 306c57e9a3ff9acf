// Made by make_types.py from the dataclasses of jupyter_remote_tunnel. Do not edit.

/**
 * What a tunnel is doing.
 */
export type State =
  | 'closed'
  | 'connecting'
  | 'waiting_for_user'
  | 'open'
  | 'reconnecting'
  | 'closing'
  | 'failed';

/**
 * A remote web application, or whatever else listens where a local forward leads.
 *
 * :param name: the tunnel's name, with the destination where it has several applications.
 * :param destination: "host:port" or a path, as seen from the remote host.
 * :param tunnel: the id of its tunnel, `state` that tunnel's.
 * :param url: where a browser that is logged in to Jupyter sees it; grants nothing by itself.
 */
export interface Application {
  id: string;
  name: string;
  host: string;
  destination: string;
  tunnel: string;
  state: string;
  url: string;
}

/**
 * The applications of all tunnels.
 */
export interface ApplicationList {
  apps: Application[];
  views: OfferedViews;
}

export interface ByteCount {
  in: number;
  out: number;
}

/**
 * An error as it is shown: a stable code, a sentence, what to do next, and the hop where it
 * happened.
 */
export interface ErrorStatus {
  code: string;
  message: string;
  hint: string;
  hop: string | null;
}

/**
 * One forward: what was asked for, what was bound, what went through it.
 *
 * `error` with `error_at` (ISO 8601, UTC) is why the last stream failed, and when: others may do
 * better. Without, it is why the forward does not listen.
 */
export interface ForwardStatus {
  kind: 'dynamic' | 'local' | 'remote';
  spec: string;
  asked: string;
  bound: string | null;
  destination: string | null;
  streams: StreamCount;
  bytes: ByteCount;
  error: ErrorStatus | null;
  error_at: string | null;
}

/**
 * How this browser can see applications: on an origin of their own, and below which path.
 */
export interface OfferedViews {
  origin: boolean;
  path: string;
}

/**
 * The status of one tunnel.
 */
export interface OneTunnel {
  tunnel: TunnelStatus;
}

/**
 * `created` is False where an equal one was there already; `understood` is the line of ssh.
 */
export interface OpenedTunnel {
  tunnel: TunnelStatus;
  created: boolean;
  understood: string;
}

/**
 * Why a request failed; `where` is the part of what was typed that is wrong, if known.
 */
export interface Problem {
  code: string;
  message: string;
  hint: string;
  hop: string | null;
  where: Where | null;
}

/**
 * The options of `ssh(1)` that alter a connection, as they were typed; None and () are "not
 * typed".
 */
export interface SshOptions {
  user?: string | null;
  port?: number | null;
  jump?: string | null;
  identities?: string[];
  config_file?: string | null;
  options?: string[];
  address_family?: 'any' | 'inet' | 'inet6';
  compression?: boolean;
  bind_address?: string | null;
  ciphers?: string | null;
  macs?: string | null;
  agent_socket?: string | null;
}

/**
 * Streams that are open now, and all that were accepted.
 */
export interface StreamCount {
  open: number;
  total: number;
}

/**
 * Every tunnel, in the order in which they were opened.
 */
export interface TunnelList {
  tunnels: TunnelStatus[];
}

/**
 * The JSON form of a `TunnelSpec`.
 *
 * Either `host` with `forwards` (each like "-L 5006:localhost:5006"), or `command`, a line as it
 * is typed in a shell ("ssh -NfL 5006:localhost:5006 gpu01", "gpu01:5006"), in which case the
 * other fields but `id`, `name`, `on_conflict` and `ssh.agent_socket` stay empty.
 *
 * `id` is that of the tunnel if it is a new one, 12 hexadecimal digits: who chooses it can close
 * what is not open yet. None has one made.
 */
export interface TunnelRequest {
  host?: string | null;
  forwards?: string[];
  name?: string | null;
  kind?: 'application' | 'forward' | 'kernel';
  on_conflict?: 'fail' | 'pick';
  ssh?: SshOptions;
  command?: string | null;
  connection_file?: string | null;
  id?: string | null;
}

/**
 * One tunnel. `since` is when `state` began (ISO 8601, UTC); `rtt_ms` the last round trip of
 * its connection.
 *
 * `host` is what the user typed; `route` the resolved hops ("user@host:22"), the remote host last;
 * `host_key` the fingerprint of the remote host's key ("SHA256:…") once connected; `source` who
 * asked: a user, the configuration, or the saved set. `connection_file` is the path on this
 * machine of the file that leads clients to a remote kernel; None where the tunnel leads to none.
 * `next_try` is when a lost connection is tried again (ISO 8601, UTC); None where none is awaited.
 */
export interface TunnelStatus {
  id: string;
  name: string;
  kind: 'application' | 'forward' | 'kernel';
  host: string;
  route: string[];
  forwards: ForwardStatus[];
  state: string;
  since: string;
  source: 'config' | 'saved' | 'user';
  host_key: string | null;
  error: ErrorStatus | null;
  rtt_ms: number | null;
  connection_file: string | null;
  next_try: string | null;
}

/**
 * The part of what was typed that is wrong: `text[start:end]`, counted in characters.
 */
export interface Where {
  end: number;
  start: number;
  text: string;
}
