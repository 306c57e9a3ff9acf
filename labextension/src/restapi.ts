/**
 * The REST interface of the server extension, one method a route.
 *
 * Every failure comes as a `TunnelError`, whoever answered: the server extension, Jupyter itself, or
 * nobody.
 */

import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';
import { TranslationBundle } from '@jupyterlab/translation';

import {
  ApplicationList,
  Change,
  ChangeRequest,
  Check,
  Diagnosis,
  DoctorLine,
  DoctorRequest,
  HostList,
  JupyterHost,
  JupyterList,
  JupyterPassword,
  JupyterPasswordSet,
  JupyterRequest,
  JupyterStart,
  JupyterStop,
  JupyterStopped,
  OneChange,
  OnePublication,
  OneTunnel,
  OpenedJupyter,
  OpenedTunnel,
  PasswordFile,
  Problem,
  PromptAnswer,
  PromptList,
  Publication,
  PublicationList,
  PublishLine,
  PublishReport,
  PublishRequest,
  Step,
  TunnelList,
  TunnelRequest,
  TunnelStatus,
  Where
} from './api';
import { Turns } from './turns';

// How long the server may take to say what it knows, in milliseconds: it takes a few. A browser would
// wait for ever, and who looks again and again waits for the answer before.
const PATIENCE = 30_000;

// An answer of one JSON object a line, each of them sent as soon as it is known.
const LINES = 'application/x-ndjson';

// What waits for a host may wait for a person, who answers by another request. A browser has six
// connections to Jupyter, for all its tabs: those that wait must leave some to the answers, and to
// notebooks.
const waitsForHost = new Turns(3);

interface Options {
  body?: unknown;
  headers?: Record<string, string>;
  quiet?: boolean;
  signal?: AbortSignal;
}

/** What went wrong, in words for a person. */
export class TunnelError extends Error {
  constructor(problem: Pick<Problem, 'code' | 'message'> & Partial<Problem>) {
    super(problem.message);
    this.name = 'TunnelError';
    this.code = problem.code;
    this.hint = problem.hint ?? '';
    this.where = problem.where ? inUnits(problem.where) : null;
  }

  readonly code: string;
  /** What to do next, or ''. */
  readonly hint: string;
  /** The part of what was typed that is wrong, if that is known; counted as strings are. */
  readonly where: Where | null;
}

export class TunnelAPI {
  constructor(
    readonly settings: ServerConnection.ISettings,
    private readonly _trans: TranslationBundle,
    private readonly _patience = PATIENCE
  ) {}

  /** @param quiet - not a person's doing: an idle server is still culled. */
  async tunnels(quiet = false): Promise<TunnelStatus[]> {
    return (await this._request<TunnelList>('GET', 'tunnels', { quiet }))
      .tunnels;
  }

  applications(quiet = false): Promise<ApplicationList> {
    return this._request('GET', 'apps', { quiet });
  }

  /** @param quiet - as in `tunnels`. */
  hosts(quiet = false): Promise<HostList> {
    return this._request('GET', 'hosts', { quiet });
  }

  /**
   * Comes back when the walk is over, which can take minutes where a hop asks something.
   *
   * @param onStep - called with each step as soon as that is over.
   */
  doctor(
    request: DoctorRequest,
    signal: AbortSignal,
    onStep: (step: Step) => void
  ): Promise<Diagnosis> {
    return this._told<DoctorLine, Diagnosis>(
      'doctor',
      request,
      signal,
      ({ step, diagnosis }) => {
        if (step) {
          onStep(step);
        }
        return diagnosis;
      }
    );
  }

  /** @param quiet - as in `tunnels`. */
  publications(quiet = false): Promise<PublicationList> {
    return this._request('GET', 'publish', { quiet });
  }

  /** Look at all that has to be so before this Jupyter is published; as `publish`, which opens it. */
  checkPublish(
    request: PublishRequest,
    signal: AbortSignal,
    onCheck: (check: Check) => void
  ): Promise<PublishReport> {
    return this._checked('publish/check', request, signal, onCheck);
  }

  /**
   * Publish this Jupyter, if no check fails. It ends with `signal` as long as it is not shown.
   *
   * @param onCheck - called with each check as soon as that is over.
   */
  publish(
    request: PublishRequest,
    signal: AbortSignal,
    onCheck: (check: Check) => void
  ): Promise<PublishReport> {
    return this._checked('publish', request, signal, onCheck);
  }

  async stopPublishing(id: string): Promise<void> {
    await this._request('DELETE', `publish/${encodeURIComponent(id)}`);
  }

  /** Have a publication end later: so long from now as the server is set. */
  async extendPublishing(id: string): Promise<Publication> {
    const path = `publish/${encodeURIComponent(id)}/period`;
    return (await this._request<OnePublication>('POST', path)).publication;
  }

  /** Set the password of this Jupyter; the file that it was written to. */
  async setPassword(password: string): Promise<string> {
    const options = { body: { password } };
    return (
      await this._request<PasswordFile>('POST', 'publish/password', options)
    ).file;
  }

  /** Write a change to Jupyter's configuration that a check has shown. */
  async changeSetting(body: ChangeRequest): Promise<Change> {
    return (
      await this._request<OneChange>('POST', 'publish/settings', { body })
    ).change;
  }

  /** Which Jupyter servers run on a host. */
  jupyters(request: JupyterHost): Promise<JupyterList> {
    return this._ask('jupyters/list', request);
  }

  /** Comes back when the tunnel to the one that is meant, or the only one, is open. */
  openJupyter(request: JupyterRequest): Promise<OpenedJupyter> {
    return this._ask('jupyters', request);
  }

  /** Comes back when one that was started answers, or the only one is open. */
  startJupyter(request: JupyterStart): Promise<OpenedJupyter> {
    return this._ask('jupyters/start', request);
  }

  /** Comes back when the one that is meant, or the only one, has ended. */
  stopJupyter(request: JupyterStop): Promise<JupyterStopped> {
    return this._ask('jupyters/stop', request);
  }

  /** Set the password of those that are started on a host from now on. */
  setJupyterPassword(request: JupyterPassword): Promise<JupyterPasswordSet> {
    return this._ask('jupyters/password', request);
  }

  /** Comes back when the tunnel is open, or fails with the reason why not. */
  open(request: TunnelRequest): Promise<OpenedTunnel> {
    return this._ask('tunnels', request);
  }

  async restart(id: string): Promise<TunnelStatus> {
    const path = `tunnels/${encodeURIComponent(id)}/restart`;
    return (await this._ask<OneTunnel>(path)).tunnel;
  }

  async close(id: string): Promise<void> {
    await this._request('DELETE', `tunnels/${encodeURIComponent(id)}`);
  }

  /** @param quiet - as in `tunnels`. */
  prompts(quiet = false): Promise<PromptList> {
    return this._request('GET', 'prompts', { quiet });
  }

  async answer(prompt: string, answer: PromptAnswer): Promise<void> {
    const path = `prompts/${encodeURIComponent(prompt)}`;
    await this._request('POST', path, { body: answer });
  }

  /** End what the question is asked for. */
  async giveUp(prompt: string): Promise<void> {
    await this._request('DELETE', `prompts/${encodeURIComponent(prompt)}`);
  }

  /** The address of an application's view; without `view` the one to hand on. */
  viewUrl(app: string, view?: 'origin' | 'path'): string {
    const path = URLExt.join(
      this.settings.baseUrl,
      'remote-tunnel/open',
      encodeURIComponent(app)
    );
    const url = new URL(path, window.location.href);
    if (view) {
      url.searchParams.set('view', view);
    }
    return url.href;
  }

  private _checked(
    path: string,
    request: PublishRequest,
    signal: AbortSignal,
    onCheck: (check: Check) => void
  ): Promise<PublishReport> {
    return this._told<PublishLine, PublishReport>(
      path,
      request,
      signal,
      ({ check, report }) => {
        if (check) {
          onCheck(check);
        }
        return report;
      }
    );
  }

  /** Ask for an answer in lines; what `hear` takes for its end. */
  private async _told<Line extends { error: Problem | null }, End>(
    path: string,
    body: unknown,
    signal: AbortSignal,
    hear: (line: Line) => End | null
  ): Promise<End> {
    const headers = { Accept: LINES };
    const response = await this._fetch('POST', path, { body, headers, signal });
    try {
      for await (const text of linesOf(response)) {
        const line = JSON.parse(text) as Line;
        const end = hear(line);
        if (end) {
          return end;
        }
        if (line.error) {
          throw new TunnelError(line.error);
        }
      }
    } catch (error) {
      throw error instanceof TunnelError ? error : this._unreachable(error);
    }
    throw this._unreachable(null);
  }

  /** Ask for what a host is asked for. */
  private _ask<T>(path: string, body?: unknown): Promise<T> {
    return waitsForHost.take(() => this._request('POST', path, { body }));
  }

  private async _request<T>(
    method: string,
    path: string,
    options: Options = {}
  ): Promise<T> {
    // What changes something takes as long as a host, or a person, does.
    const signal =
      method === 'GET' ? AbortSignal.timeout(this._patience) : undefined;
    const response = await this._fetch(method, path, { signal, ...options });
    try {
      return parse(await response.text()) as T;
    } catch (error) {
      throw this._unreachable(error);
    }
  }

  /** What is answered, if that is no failure. */
  private async _fetch(
    method: string,
    path: string,
    options: Options
  ): Promise<Response> {
    const base = URLExt.join(this.settings.baseUrl, 'remote-tunnel/api', path);
    const url = options.quiet ? `${base}?no_track_activity=1` : base;
    const { headers, signal } = options;
    // Jupyter refuses a POST without a body.
    const body = method === 'GET' ? null : JSON.stringify(options.body ?? {});
    let response: Response;
    try {
      response = await ServerConnection.makeRequest(
        url,
        {
          method,
          body,
          ...(headers && { headers }),
          ...(signal && { signal })
        },
        this.settings
      );
    } catch (error) {
      throw this._unreachable(error);
    }
    if (!response.ok) {
      throw this._error(response, parse(await response.text()));
    }
    return response;
  }

  private _unreachable(error: unknown): TunnelError {
    return new TunnelError({
      code: 'server_unreachable',
      message: this._trans.__('The Jupyter server does not answer.'),
      hint: error instanceof Error ? error.message : ''
    });
  }

  private _error(response: Response, answer: unknown): TunnelError {
    if (isProblem(answer)) {
      return new TunnelError(answer);
    }
    const trans = this._trans;
    if (response.status === 404) {
      return new TunnelError({
        code: 'not_installed',
        message: trans.__(
          'This Jupyter server does not have the server extension jupyter_remote_tunnel.'
        ),
        hint: trans.__(
          'Install jupyter-remote-tunnel where the Jupyter server runs, and start it again.'
        )
      });
    }
    if ([502, 503, 504].includes(response.status)) {
      return new TunnelError({
        code: 'server_unreachable',
        message: trans.__(
          'The Jupyter server does not answer: what is in front of it says %1 %2.',
          response.status,
          response.statusText
        )
      });
    }
    return new TunnelError({
      code: 'http',
      message: trans.__(
        'The Jupyter server answered %1 %2.',
        response.status,
        response.statusText
      ),
      hint:
        response.status === 401 || response.status === 403
          ? trans.__('Log in again, or ask who runs this server.')
          : ''
    });
  }
}

/** The lines of an answer, each as soon as it is there. */
async function* linesOf(response: Response): AsyncGenerator<string> {
  const reader = response.body!.getReader();
  const decoder = new TextDecoder();
  let begun = '';
  for (;;) {
    const { done, value } = await reader.read();
    const lines = (begun + decoder.decode(value, { stream: !done })).split(
      '\n'
    );
    begun = done ? '' : lines.pop()!;
    for (const line of lines) {
      if (line !== '') {
        yield line;
      }
    }
    if (done) {
      return;
    }
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function isProblem(answer: unknown): answer is Problem {
  const problem = answer as Partial<Problem> | null;
  return (
    typeof problem?.code === 'string' && typeof problem.message === 'string'
  );
}

/** The server counts characters, JavaScript units of 16 bits, of which some characters take two. */
function inUnits({ text, start, end }: Where): Where {
  const units = (count: number): number =>
    [...text].slice(0, count).join('').length;
  return { text, start: units(start), end: units(end) };
}
