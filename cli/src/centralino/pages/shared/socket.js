// A WebSocket that comes back by itself, with growing pauses and jitter, and resumes where it was.

/**
 * `open()` gives the URL (and optional sub-protocols) for each attempt; `onFrame` gets parsed frames;
 * `onState` gets "connecting", "open", "waiting" or "closed". `final` says which close codes end it for good.
 */
export class ResumingSocket {
  constructor({ open, onFrame, onState, heartbeat, final = () => false }) {
    Object.assign(this, { open, onFrame, onState, heartbeat, final });
    this.attempt = 0;
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
      this.attempt = 0;
      this.onState("open");
      this.beat = setInterval(() => this.send(this.heartbeat), 4000);
    };
    this.socket.onmessage = (event) => this.onFrame(JSON.parse(event.data));
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
    setTimeout(() => this.connect(), pauseMs);
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
