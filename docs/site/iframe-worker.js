// A browser gives a page on the disk no worker, and the site's search asks for one. So the search's
// script runs in a hidden frame there, which answers as a worker would. Pages from a server never
// come here. The name of this file matters: without an "iframe-worker" the builder would name one of
// another host.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(url) {
      super();
      this.frame = document.createElement("iframe");
      this.frame.hidden = true;
      document.body.append(this.frame);
      const inner = this.frame.contentWindow;
      inner.document.open();
      inner.document.close();
      inner.postMessage = data => {
        const answer = new MessageEvent("message", { data });
        this.dispatchEvent(answer);
        this.onmessage?.(answer);
      };
      const script = inner.document.createElement("script");
      this.ready = new Promise(resolve => { script.onload = resolve; });
      script.src = url;
      inner.document.documentElement.append(script);
    }

    async postMessage(data) {
      await this.ready;
      this.frame.contentWindow?.dispatchEvent(new MessageEvent("message", { data }));
    }

    terminate() {
      this.frame.remove();
    }
  };
}
