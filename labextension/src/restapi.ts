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
  OneTunnel,
  OpenedTunnel,
  Problem,
  TunnelList,
  TunnelRequest,
  TunnelStatus,
  Where
} from './api';

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
    private readonly _trans: TranslationBundle
  ) {}

  /** @param quiet - not a person's doing: an idle server is still culled. */
  async tunnels(quiet = false): Promise<TunnelStatus[]> {
    return (await this._request<TunnelList>('GET', 'tunnels', { quiet }))
      .tunnels;
  }

  applications(quiet = false): Promise<ApplicationList> {
    return this._request('GET', 'apps', { quiet });
  }

  /** Comes back when the tunnel is open, or fails with the reason why not. */
  open(request: TunnelRequest): Promise<OpenedTunnel> {
    return this._request('POST', 'tunnels', { body: request });
  }

  async restart(id: string): Promise<TunnelStatus> {
    const path = `tunnels/${encodeURIComponent(id)}/restart`;
    return (await this._request<OneTunnel>('POST', path)).tunnel;
  }

  async close(id: string): Promise<void> {
    await this._request('DELETE', `tunnels/${encodeURIComponent(id)}`);
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

  private async _request<T>(
    method: string,
    path: string,
    options: { body?: unknown; quiet?: boolean } = {}
  ): Promise<T> {
    const base = URLExt.join(this.settings.baseUrl, 'remote-tunnel/api', path);
    const url = options.quiet ? `${base}?no_track_activity=1` : base;
    // Jupyter refuses a POST without a body.
    const body = method === 'GET' ? null : JSON.stringify(options.body ?? {});
    let response: Response;
    try {
      response = await ServerConnection.makeRequest(
        url,
        { method, body },
        this.settings
      );
    } catch (error) {
      throw new TunnelError({
        code: 'server_unreachable',
        message: this._trans.__('The Jupyter server does not answer.'),
        hint: error instanceof Error ? error.message : ''
      });
    }
    const text = await response.text();
    const answer = parse(text);
    if (!response.ok) {
      throw this._error(response, answer);
    }
    return answer as T;
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
