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
 * A change to the user's own file of Jupyter's configuration.
 *
 * :param setting: which it is about: "ServerApp.allow_origin".
 * :param file: the path; it need not be there yet.
 * :param lines: what is changed, "- " in front of what stands there and "+ " of what will. A
 *     secret is not in them.
 * :param at_once: whether it counts at once; else when Jupyter is started again.
 * :param seen: what has to be given back to have it written, as long as the file is as it is now.
 */
export interface Change {
  setting: string;
  file: string;
  lines: string[];
  at_once: boolean;
  seen: string;
}

/**
 * Write a change to Jupyter's configuration that a check has shown: its `setting` and `seen`,
 * and the `prefix` of the request that was checked.
 */
export interface ChangeRequest {
  setting: string;
  seen: string;
  prefix?: string;
}

/**
 * One line of the list that is gone through before this Jupyter is shown.
 *
 * :param name: what was looked at, in a word or two: "password", "certificate".
 * :param says: what was found, a sentence.
 * :param typed: what has to be typed, or a file as it has to be: lines of ours, that are copied
 *     as they stand. Nothing of what a host or a certificate says is in them, but plain names and
 *     paths.
 * :param advice: what to do next, or "".
 * :param remedy: what the front door can offer to do.
 * :param change: to Jupyter's configuration, which would mend it.
 * :param details: more of what was found, a line each, as somebody else may have worded it: it is
 *     quoted, and never typed.
 */
export interface Check {
  name: string;
  verdict: 'failed' | 'note' | 'ok';
  says: string;
  typed: string[];
  advice: string;
  remedy: '' | 'certificate' | 'password' | 'setting' | 'site';
  change: Change | null;
  details: string[];
}

/**
 * All steps to a host, up to where it does not go on.
 *
 * `route` are its hops ("user@host:22"), the host last; none where its configuration failed. `ok`
 * is whether no step failed.
 */
export interface Diagnosis {
  host: string;
  route: string[];
  ok: boolean;
  steps: Step[];
}

/**
 * A line of the answer for clients that want to see each step as soon as it is over: a step;
 * the last line is the diagnosis, with all steps again, or why there is none.
 */
export interface DoctorLine {
  step: Step | null;
  diagnosis: Diagnosis | null;
  error: Problem | null;
}

/**
 * Walk to `host` as a tunnel would, or as the tunnel of that id or name does, and find out what
 * fails. With `gateway_ports` the host is asked, for a moment, to listen on all its interfaces.
 */
export interface DoctorRequest {
  host?: string;
  ssh?: SshOptions;
  tunnel?: string | null;
  gateway_ports?: boolean;
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
 * The way on from a gateway, held by the machine that offers there what a forward leads to.
 *
 * `at` is where it is offered on the gateway; `by` who offers it ("ann@workstation") and
 * `destination` where it leads there, both "" where they did not say so. `state` began at `since`
 * (ISO 8601, UTC); it is "no_application" where that machine is there and nothing answers at
 * `destination`, "unknown" while the gateway itself is out of reach. `error` is why it is not up.
 */
export interface FarLeg {
  at: string;
  by: string;
  destination: string;
  state: 'down' | 'no_application' | 'unknown' | 'up';
  since: string;
  error: ErrorStatus | null;
}

/**
 * One line to type. `echo` is whether it may be seen while it is typed.
 *
 * `label` is the server's, in lines: the last one is the question. What stands before it, PAM
 * wanted to be read first ("You are required to change your password immediately").
 */
export interface Field {
  label: string;
  echo: boolean;
}

/**
 * One forward: what was asked for, what was bound, what went through it.
 *
 * `error` with `error_at` (ISO 8601, UTC) is why the last stream failed, and when: others may do
 * better. Without, it is why the forward does not listen. `note` is what a person should know of
 * where it listens. `far` is the other leg, where it leads to what is offered on a gateway.
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
  note: string | null;
  far: FarLeg | null;
}

/**
 * A host as it is typed: an alias of the ssh configuration, or one that has tunnels.
 *
 * `tunnels` are their ids, and `route` is how the first of them gets there. `host_name`, `user`
 * and `port` are what the configuration says of an alias, null where it does not, or where only
 * ssh can tell. `offers` are the forwards that it names: "-L 5006:localhost:5006".
 */
export interface Host {
  host: string;
  tunnels: string[];
  route: string[];
  alias: boolean;
  host_name: string | null;
  user: string | null;
  port: number | null;
  offers: string[];
}

/**
 * The aliases of the ssh configuration, in its order, and the other hosts that have tunnels.
 * `problem` is why the configuration could not be read.
 */
export interface HostList {
  hosts: Host[];
  problem: ErrorStatus | null;
}

/**
 * Ask `host` which Jupyter servers of the user run there.
 */
export interface JupyterHost {
  host: string;
  ssh?: SshOptions;
}

/**
 * The Jupyter servers that run on a host, the newest first. `problems` are files there that
 * should be of some and are not.
 */
export interface JupyterList {
  jupyters: JupyterServer[];
  problems: ErrorStatus[];
}

/**
 * Set the password of the Jupyter servers that the user starts on `host` from now on.
 */
export interface JupyterPassword {
  host: string;
  password: string;
  ssh?: SshOptions;
}

/**
 * How a password was set on a host.
 *
 * :param tools: what did it there: ["jupyter server password"].
 * :param others: the files there that have another one, which may count in its place.
 */
export interface JupyterPasswordSet {
  tools: string[];
  others: string[];
}

/**
 * Open the Jupyter server that runs on the remote `host`, or the one at `destination` there: a
 * port, "host:port", or the path of a socket.
 *
 * `local_port` opens a port of this machine in place of a private socket, at a loopback address
 * that is that host's own where there is one; 0 is any free one.
 */
export interface JupyterRequest {
  host: string;
  destination?: string | null;
  name?: string | null;
  ssh?: SshOptions;
  local_port?: number | null;
}

/**
 * A Jupyter server that runs on a remote host; nothing of it is secret.
 *
 * :param url: as seen from that host.
 * :param destination: "127.0.0.1:8888" or the path of its socket, as seen from that host.
 * :param protection: what it asks of those who come: a token, a password, or one of it or nothing.
 * :param started: when (ISO 8601, UTC), if the host tells.
 * :param ends_with_tunnel: it was started for a tunnel, and ends with the last one that leads
 *     there.
 */
export interface JupyterServer {
  url: string;
  destination: string;
  root_dir: string;
  version: string;
  pid: number;
  protection: 'password' | 'token' | 'unknown';
  started: string | null;
  ends_with_tunnel: boolean;
}

/**
 * Start a Jupyter server on `host`, where none runs, and open it; it ends with its last tunnel,
 * or stays (`keep`).
 *
 * It listens on a socket, or on a port of that host's loopback (`tcp`). `folder` is where it
 * looks, the home directory where that is null. `prelude` is what the login shell there is told
 * before, in place of what is configured: with the setting `allow_exec_options` only.
 * `local_port` opens a port of this machine in place of a private socket; 0 is any free one.
 */
export interface JupyterStart {
  host: string;
  name?: string | null;
  ssh?: SshOptions;
  keep?: boolean;
  folder?: string | null;
  tcp?: boolean;
  prelude?: string | null;
  local_port?: number | null;
}

/**
 * End the Jupyter server that runs on `host`, or the one at `destination` there: a port,
 * "host:port", or the path of a socket. Its kernels end, too.
 */
export interface JupyterStop {
  host: string;
  destination?: string | null;
  ssh?: SshOptions;
}

/**
 * A Jupyter server that has ended; the tunnels that led to it are closed.
 */
export interface JupyterStopped {
  server: JupyterServer;
  closed: TunnelStatus[];
}

/**
 * How this browser can see applications: whether on an origin of their own, under which host
 * names ("{id}.localhost", or ""), and below which path.
 */
export interface OfferedViews {
  origin: boolean;
  names: string;
  path: string;
}

/**
 * What was written.
 */
export interface OneChange {
  change: Change;
}

/**
 * What became of one.
 */
export interface OnePublication {
  publication: Publication;
}

/**
 * The status of one tunnel.
 */
export interface OneTunnel {
  tunnel: TunnelStatus;
}

/**
 * The application that a Jupyter server is.
 *
 * :param protection: what it asks of those who come to it past the view, which tells its token.
 * :param address: where a browser of this machine finds it, if a port here leads there; else null.
 */
export interface OpenedJupyter {
  id: string;
  name: string;
  host: string;
  destination: string;
  tunnel: string;
  state: string;
  url: string;
  protection: 'password' | 'token' | 'unknown';
  address: string | null;
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
 * A question that others are asked: where it comes from, the ids of the tunnels that wait for
 * the answer, and the names of those who may give it.
 */
export interface OthersPrompt {
  id: string;
  hop: string;
  tunnels: string[];
  waits_for: string[];
}

/**
 * Where the password was written.
 */
export interface PasswordFile {
  file: string;
}

/**
 * Set the password of this Jupyter server.
 */
export interface PasswordRequest {
  password: string;
}

/**
 * Have a publication end so many hours from now; null is as the server is set, and never sooner
 * than it would.
 */
export interface PeriodRequest {
  hours?: number | null;
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
 * A question that waits for a person.
 *
 * :param id: 12 hexadecimal digits.
 * :param hop: where it comes from, as "gw (hop 1 of 2)".
 * :param login: "user@host:22".
 * :param tunnels: the ids of the tunnels that wait for the answer.
 * :param expires: when nobody needs to answer any more, ISO 8601 UTC; "" where nobody needs to
 *     answer at all.
 */
export interface Prompt {
  id: string;
  hop: string;
  login: string;
  tunnels: string[];
  expires: string;
  question: Question;
}

/**
 * Answer a question: as many answers as it has fields, in their order. To trust a host key
 * takes none.
 *
 * `remember`: a host key is written to known_hosts, not only taken for once; a passphrase opens
 * its key until the engine ends.
 */
export interface PromptAnswer {
  answers?: string[];
  remember?: boolean;
}

/**
 * The questions that who asks for this list may answer, and those that wait for others. The
 * oldest is first.
 */
export interface PromptList {
  prompts: Prompt[];
  others: OthersPrompt[];
}

/**
 * This Jupyter as it is published.
 *
 * :param host: the other host as it was typed: the gateway, or the one from which it is pulled;
 *     "" without one.
 * :param url: what browsers open.
 * :param since: when `state` began (ISO 8601, UTC); `until` is when it ends by itself, "" if it
 *     does not.
 * :param tunnel: the id of its tunnel; None without a gateway.
 * :param checks: what was found when it was looked at last.
 * :param visitors: who is connected now.
 * :param exposed: what the outside can reach, and who can read what passes: sentences.
 * :param problem: why it is not shown; "" where it is.
 */
export interface Publication {
  id: string;
  way: 'bind' | 'direct' | 'proxy';
  host: string;
  name: string;
  url: string;
  state: 'checking' | 'ended' | 'held_back' | 'opening' | 'reconnecting' | 'shown';
  since: string;
  until: string;
  tunnel: string | null;
  checks: Check[];
  visitors: Visitor[];
  exposed: string[];
  problem: string;
}

/**
 * What is published of this Jupyter now.
 *
 * :param ways: in which it may be published here.
 * :param hours: after which a publication ends by itself, where nobody says another time.
 * :param password_file: where a new password would be written.
 * :param outside: whether this request came from outside: it can end what is published, not widen
 *     it.
 */
export interface PublicationList {
  publications: Publication[];
  ways: ('bind' | 'direct' | 'proxy')[];
  hours: number;
  password_file: string;
  outside: boolean;
}

/**
 * A line of the answer for clients that want to see each check as soon as it is over: a check;
 * the last line is the report, with all checks again, or why there is none.
 */
export interface PublishLine {
  check: Check | null;
  report: PublishReport | null;
  error: Problem | null;
}

/**
 * What came of a request: all checks, whether none failed, and what is published now; None
 * where a check failed, or nothing was to be opened.
 */
export interface PublishReport {
  ok: boolean;
  checks: Check[];
  publication: Publication | null;
}

/**
 * Show this Jupyter to the outside.
 *
 * :param gateway: the host that publishes it, as it is typed for ssh; "" if `way` is "direct".
 * :param name: the host name (or address) that browsers use.
 * :param prefix: the path below which it is to be found there; "" is Jupyter's base URL.
 * :param port: of browsers' URLs; None is 443 where a web server has it, and 8443 elsewhere.
 * :param proxy: which web server of the gateway shows it, for `way` "proxy"; None is the one that
 *     is there.
 * :param loopback_port: the port of the gateway's loopback that leads here, in place of a socket,
 *     for `way` "proxy"; its other users can connect to that, and take it when it is not shown.
 * :param socket: the path of the socket on the gateway that a site names which is not ours.
 * :param certificate: the file with the certificate and those above it, where TLS ends; None is
 *     the one that the gateway's site names already, else the one from Let's Encrypt that it has.
 * :param key: the file with its private key, beside it.
 * :param self_signed: whether a certificate will do for which nobody vouches.
 * :param hours: until it ends by itself; None is as the server is set.
 */
export interface PublishRequest {
  way?: 'bind' | 'direct' | 'proxy';
  gateway?: string;
  ssh?: SshOptions;
  name?: string;
  prefix?: string;
  port?: number | null;
  proxy?: 'caddy' | 'nginx' | null;
  loopback_port?: number | null;
  socket?: string | null;
  certificate?: string | null;
  key?: string | null;
  self_signed?: boolean;
  hours?: number | null;
}

/**
 * What SSH wants to know.
 *
 * host_key: whether to trust `host_key`; any answer is a yes.
 * password, passphrase: one answer. `path` is the identity file.
 * keyboard_interactive: an answer for each of `fields`.
 * new_password: the old password and the new one, twice.
 * notice: nothing; the server only says something. Where it says nothing, a security key waits to
 *     be touched.
 *
 * `says` is the server's own text in lines. `tries` counts from 1: 2 is right after a wrong
 * answer, of several questions in one try only the first.
 */
export interface Question {
  kind: 'host_key' | 'keyboard_interactive' | 'new_password' | 'notice' | 'passphrase' | 'password';
  says: string;
  fields: Field[];
  tries: number;
  host_key: ShownKey | null;
  path: string | null;
}

/**
 * A host key nobody knows yet: "ED25519", "SHA256:…", the name that known_hosts would hold it
 * under, the file it would be written to (None: it cannot be), and why a certificate that the host
 * has for it does not count ("": it showed none).
 */
export interface ShownKey {
  type: string;
  fingerprint: string;
  name: string;
  file: string | null;
  certificate: string;
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
 * One step.
 *
 * :param hop: where, as "gw (hop 1 of 2)"; of the configuration, the host as it was typed.
 * :param says: what came of it, a sentence.
 * :param details: more of it, a line each.
 * :param advice: what to do next, or "".
 * :param code: of the error that it failed with (see `errors`); "" where it did not.
 * :param seconds: how long it took, not counting those in which a person was asked.
 */
export interface Step {
  name: 'configuration' | 'connect' | 'destination' | 'gateway_ports' | 'host_key' | 'key_exchange' | 'login' | 'remote_forward' | 'resolve' | 'socket_forward' | 'tcp_forward';
  hop: string;
  verdict: 'failed' | 'note' | 'ok';
  says: string;
  details: string[];
  advice: string;
  code: string;
  seconds: number;
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
  kind?: 'application' | 'forward' | 'jupyter' | 'kernel' | 'offer' | 'publish';
  on_conflict?: 'fail' | 'pick';
  ssh?: SshOptions;
  command?: string | null;
  connection_file?: string | null;
  keeper?: string | null;
  id?: string | null;
  proxy_protocol?: boolean;
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
 * `ends_server`: the server that it leads to was started for it, and ends with the last tunnel
 * that leads there.
 */
export interface TunnelStatus {
  id: string;
  name: string;
  kind: 'application' | 'forward' | 'jupyter' | 'kernel' | 'offer' | 'publish';
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
  ends_server: boolean;
}

/**
 * Who is connected: an address ("" where it is not known), how many requests and websockets of
 * theirs are open, and since when the oldest of these is (ISO 8601, UTC).
 */
export interface Visitor {
  address: string;
  streams: number;
  since: string;
}

/**
 * The part of what was typed that is wrong: `text[start:end]`, counted in characters.
 */
export interface Where {
  end: number;
  start: number;
  text: string;
}
