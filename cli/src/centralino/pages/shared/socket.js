// A WebSocket that comes back by itself, with growing pauses and jitter, and resumes where it was.

/**
 * `open()` gives the URL (and optional sub-protocols) for each attempt; `onFrame` gets parsed frames;
 * `onState` gets "connecting", "open", "waiting" or "closed". `final` says which close codes end it for good.
 * The service says by `reconnect_after_ms` in a frame how long to wait after a restart (close code 1012).
 */
export class ResumingSocket {
  constructor({ open, onFrame, onState, heartbeat, final = () => false }) {
    Object.assign(this, { open, onFrame, onState, heartbeat, final });
    this.attempt = 0;
    this.restartPauseMs = null;
    this.stopped = false;
    this.connect();
  }

  async connect() {
    this.onState("connecting");
    try {
      const { url, protocols } = await this.open();
      if (this.stopped) return;
      this.socket = new WebSocket(url, protocols ?? []);
    } catch (error) {
      this.retry(error);
      return;
    }
    this.socket.onopen = () => {
      this.onState("open");
      this.beat = setInterval(() => this.send(this.heartbeat), 4000);
    };
    this.socket.onmessage = (event) => {
      const frame = JSON.parse(event.data);
      // An open socket alone is no success: a service whose database is away lets in, says so and closes.
      if (frame.type !== "error") this.attempt = 0;
      this.restartPauseMs = frame.reconnect_after_ms ?? this.restartPauseMs;
      this.onFrame(frame);
    };
    this.socket.onclose = (event) => {
      clearInterval(this.beat);
      if (this.stopped || this.final(event.code)) this.onState("closed", event);
      else this.retry(event);
    };
  }

  retry(cause) {
    if (this.stopped) return;
    if (cause?.status === 401 || cause?.status === 403) { this.onState("closed", cause); return; }
    this.onState("waiting", cause);
    const pauseMs = Math.min(10_000, 300 * 2 ** this.attempt++) * (0.7 + 0.6 * Math.random());
    const wantedMs = cause?.code === 1012 ? this.restartPauseMs : null;
    setTimeout(() => this.connect(), wantedMs ?? pauseMs);
  }

  /** True when the frame was handed to an open socket. */
  send(frame) {
    if (this.socket?.readyState !== WebSocket.OPEN) return false;
    this.socket.send(JSON.stringify(frame));
    return true;
  }

  stop() {
    this.stopped = true;
    clearInterval(this.beat);
    this.socket?.close(1000);
  }
}
